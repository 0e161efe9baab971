//! No input and no output makes the program panic or leave half a file.

mod common;

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use common::Folder;

/// A small generator of pseudo-random numbers (xorshift), so that a failure repeats.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

#[test]
fn damaged_files_are_reported_and_never_a_panic() {
    let folder = Folder::new();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for original in ["app.elf", "app.signed", "script.signed", "p256.pem"] {
        let bytes = folder.read(original);
        for round in 0..60 {
            let mut damaged = bytes.clone();
            for _ in 0..=random.next(4) {
                // Half of the damage where the structure is.
                let below = if round % 2 == 0 { damaged.len() } else { damaged.len().min(128) };
                let at = random.next(below);
                damaged[at] = [0, 0xff, 0x7f, 0x80, random.next(256) as u8][random.next(5)];
            }
            if round % 7 == 0 {
                damaged.truncate(random.next(damaged.len()));
            }
            folder.write("damaged", &damaged);
            for command in [
                "inspect damaged",
                "verify damaged --key p256.pub.pem",
                "sign damaged -o out --key p256.pem",
                "sign app.elf -o out --key damaged",
                "keys fingerprint damaged",
            ] {
                let run = folder.rproc(command);
                assert!(
                    (0..=2).contains(&run.code),
                    "{command} of {original}, round {round}: {}",
                    run.stderr
                );
                assert_eq!(run.code == 0, run.stderr.is_empty(), "{command}: {}", run.stderr);
            }
        }
    }
}

#[test]
fn a_dash_is_no_file() {
    let folder = Folder::new();
    for command in [
        "sign app.elf -o - --key p256.pem",
        "keys public p256.pem -o -",
        "run --crash-after 1s --recovery on --coredump -",
        "keys new -",
        "board show stm32mp157f-dk2 --svg -",
    ] {
        let run = folder.rproc(command);
        assert!(run.code == 1 && run.stderr.contains("./- is one"), "{command}: {}", run.stderr);
        assert!(run.stdout.is_empty() && !folder.path("-").exists(), "{command}: {}", run.stdout);
    }
}

#[test]
fn what_cannot_be_written_is_told_before_the_run() {
    let folder = Folder::new();
    for command in [
        "run --crash-after 1ms --recovery on --coredump /proc/core.elf",
        "run --crash-after 1ms --recovery on --coredump none/core.elf",
        "board show stm32mp157f-dk2 --svg /proc/board.svg",
        "keys new /proc/a.pem",
    ] {
        let run = folder.rproc(command);
        assert!(run.code == 1 && run.stdout.is_empty(), "{command}: {}", run.stdout);
        assert!(
            run.stderr.contains("cannot write") && run.stderr.contains("help:"),
            "{command}: {}",
            run.stderr
        );
    }
}

#[test]
fn a_failed_signing_leaves_the_old_image_and_no_litter() {
    let folder = Folder::new();
    folder.write("out", b"the image of yesterday");
    let before = std::fs::read_dir(folder.path(".")).unwrap().count();
    for (command, code) in [
        ("sign overlap.elf -o out --key p256.pem", 2),
        ("sign app.elf -o out --key missing.pem", 1),
        ("sign app.elf app.signed -o out --key p256.pem", 2),
        ("sign app.elf -o app.elf --key p256.pem", 1),
        ("sign app.elf -o p256.pem --key p256.pem", 1),
    ] {
        assert_eq!(folder.rproc(command).code, code, "{command}");
        assert_eq!(folder.read("out"), b"the image of yesterday", "{command}");
    }
    assert_eq!(folder.read("app.elf"), common::app());
    assert_eq!(std::fs::read_dir(folder.path(".")).unwrap().count(), before);

    assert_eq!(folder.rproc("sign app.elf -o out --key p256.pem").code, 0);
    assert_eq!(folder.rproc("verify out --key p256.pub.pem").code, 0);
    assert_eq!(std::fs::read_dir(folder.path(".")).unwrap().count(), before);
}

#[test]
fn a_written_file_has_the_mode_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    folder.signed();
    folder.write("other", b"");
    let mode = |name: &str| std::fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("app.signed"), mode("other"));
    assert_eq!(folder.rproc("sign app.elf -o new.signed --key p256.pem").code, 0);
    assert_eq!(mode("new.signed"), mode("other"));
}

#[test]
fn signing_is_reproducible() {
    let folder = Folder::new();
    let committed = folder.read("app.signed");
    let run = folder.rproc("sign app.elf -o app.signed --key p256.pem --target stm32mp257:m33 --counter 7");
    assert_eq!(run.code, 0);
    assert!(folder.read("app.signed") == committed);
}

#[test]
fn a_plain_image_is_that_of_the_script() {
    let folder = Folder::new();
    let run = folder.rproc("sign app.elf -o out --key rsa2048.pem --plain --plat-tlv 0x10001=0x80100000");
    assert_eq!(run.code, 0);
    assert!(folder.read("out") == folder.read("script.signed"));
}

#[test]
fn a_new_key_is_for_its_owner_only_and_made_once() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    assert_eq!(folder.rproc("keys new new.pem --type p256").code, 0);
    let mode = std::fs::metadata(folder.path("new.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let key = folder.read("new.pem");
    assert_eq!(folder.rproc("keys new new.pem --type p256").code, 1);
    assert_eq!(folder.read("new.pem"), key);

    assert_eq!(folder.rproc("keys public new.pem -o new.pub.pem").code, 0);
    let fingerprint = |file: &str| folder.rproc(&format!("keys fingerprint {file}")).stdout[..64].to_owned();
    assert_eq!(fingerprint("new.pem"), fingerprint("new.pub.pem"));
    assert_eq!(folder.rproc("keys public new.pem -o new.pem").code, 1, "it would replace the private key");
    assert_eq!(folder.read("new.pem"), key);
}

#[test]
fn a_pipe_can_be_read_and_a_closed_one_written() {
    let folder = Folder::new();
    let mut cat = Command::new("cat").arg(folder.path("app.signed")).stdout(Stdio::piped()).spawn().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_rproc"))
        .args(["verify", "/dev/stdin", "--key", "p256.pub.pem"])
        .current_dir(folder.path("."))
        .stdin(cat.stdout.take().unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    cat.wait().unwrap();

    // A key is read once, whatever it is for.
    for arguments in ["keys fingerprint /dev/stdin", "run --key /dev/stdin --with m0 --timeout 1ms"] {
        let output = Command::new(env!("CARGO_BIN_EXE_rproc"))
            .args(arguments.split_whitespace())
            .stdin({
                let (reader, mut writer) = std::io::pipe().unwrap();
                writer.write_all(&folder.read("p256.pem")).unwrap();
                reader
            })
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    let mut child = Command::new(env!("CARGO_BIN_EXE_rproc"))
        .args(["inspect", "app.signed", "--json"])
        .current_dir(folder.path("."))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn output_into_a_file_has_no_colours() {
    let folder = Folder::new();
    for command in ["verify app.elf --key p256.pub.pem", "inspect app.signed", "sign --help", "sign"] {
        let run = folder.rproc(command);
        assert!(!run.stdout.contains('\x1b') && !run.stderr.contains('\x1b'), "{command}");
    }
}

#[test]
fn every_shell_gets_completions() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = folder.rproc(&format!("completions {shell}"));
        assert!(run.code == 0 && run.stdout.contains("fingerprint"), "{shell}");
    }
    assert_eq!(folder.rproc("completions csh").code, 1);
}

#[test]
fn a_full_disk_is_trouble_and_no_panic() {
    let folder = Folder::new();
    for arguments in [["inspect", "app.elf"], ["inspect", "p256.pem"], ["--help", "sign"], ["keys", "none"]] {
        let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
        let status = Command::new(env!("CARGO_BIN_EXE_rproc"))
            .args(arguments)
            .current_dir(folder.path("."))
            .stdout(full())
            .stderr(full())
            .status()
            .unwrap();
        assert!(matches!(status.code(), Some(0..=2)), "{arguments:?}: {status}");
    }
}

#[test]
fn a_standard_output_that_takes_nothing_is_trouble() {
    let folder = Folder::new();
    for arguments in
        ["--help", "help run", "--version", "board list", "completions bash", "run --timeout 1ms"]
    {
        let output = Command::new(env!("CARGO_BIN_EXE_rproc"))
            .args(arguments.split_whitespace())
            .current_dir(folder.path("."))
            .stdout(std::fs::File::options().write(true).open("/dev/full").unwrap())
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments}: {stderr}");
        assert!(stderr.contains("cannot write to the standard output"), "{arguments}: {stderr}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_trouble() {
    let folder = Folder::new();
    for arguments in ["--help", "board list", "run --timeout 1ms"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_rproc"));
        command.args(arguments.split_whitespace()).current_dir(folder.path(".")).stdout(writer);
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""), "{arguments}");
    }
}

#[test]
fn a_fifo_holds_nothing_up() {
    let folder = Folder::new();
    let fifo = folder.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for command in [
        "run fifo",
        "run app.elf --with m0=fifo",
        "run app.elf --key fifo",
        "inspect fifo",
        "verify fifo --key p256.pub.pem",
        "verify app.signed --key fifo",
        "sign fifo -o out --key p256.pem",
        "keys fingerprint fifo",
        "board show stm32mp157f-dk2 --linux-tree fifo",
        "doctor --linux-tree fifo",
        "tee load fifo --core m33",
    ] {
        let run = folder.rproc(command);
        assert!(run.code == 1 && run.stderr.contains("fifo is a FIFO"), "{command}: {}", run.stderr);
        assert!(run.stderr.contains("help: give a "), "{command}: {}", run.stderr);
    }
}

#[test]
fn files_of_impossible_size_are_not_read() {
    let folder = Folder::new();
    let file = std::fs::File::create(folder.path("huge")).unwrap();
    file.set_len(1 << 40).unwrap();
    for command in ["sign huge -o out --key p256.pem", "inspect huge", "keys public huge"] {
        let run = folder.rproc(command);
        assert_eq!(run.code, 1, "{command}: {}", run.stderr);
    }
    assert_eq!(folder.rproc("verify huge --key p256.pub.pem").code, 2);
}

#[test]
fn more_segments_than_the_service_has_room_for_are_not_signed() {
    let folder = Folder::new();
    let segments =
        (0..1100).fold(rproc_elf::testing::ElfBuilder::elf32(), |elf, at| elf.load(at * 16, &[1; 8]));
    folder.write("many.elf", &segments.build());
    let run = folder.rproc("sign many.elf -o out --key p256.pem");
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("does not fit the service's memory"), "{}", run.stderr);
    assert!(!folder.path("out").exists());
}
