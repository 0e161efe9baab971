//! Signing, verifying and booting beside their peers in the same run, in CPU time (user and system) as ratios.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use rproc_elf::testing::ElfBuilder;

const MIB: usize = 1 << 20;
const ROUNDS: usize = 7;
/// Upstream's `sign_rproc_fw.py`, and the Python that has its modules, where they are installed.
const SCRIPT: &str = "RPROC_PEER_SIGN_SCRIPT";
const PYTHON: &str = "RPROC_PEER_PYTHON";

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage knows its own process");
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.unsigned_abs())
}

/// Median CPU time of a command; `None` when it cannot be run.
fn measure(command: impl Fn() -> Command) -> Option<Duration> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let before = cpu();
        let status =
            command().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
        status.success().then_some(())?;
        times.push(cpu().saturating_sub(before));
    }
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

fn rproc(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rproc"));
    command.args(arguments);
    command
}

fn report(what: &str, ours: Duration, peer: &str, theirs: Option<Duration>) {
    let ours_ms = ours.as_secs_f64() * 1e3;
    match theirs {
        Some(theirs) => println!(
            "{what:<28} {ours_ms:>8.1} ms    {peer:<34} {:>8.1} ms    ratio {:.2}",
            theirs.as_secs_f64() * 1e3,
            ours.as_secs_f64() / theirs.as_secs_f64()
        ),
        None => println!("{what:<28} {ours_ms:>8.1} ms    {peer:<34} SKIPPED: not installed"),
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn main() {
    println!("CPU time (user + system) of whole processes, median of {ROUNDS}");
    // First, because the largest memory of any child so far is what the system tells.
    let ours = measure(|| rproc(&["run"])).expect("rproc runs its sample");
    let memory = getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage knows its own process").max_rss();
    println!(
        "{:<28} {:>8.1} ms    {:.1} MiB",
        "run of the sample",
        ours.as_secs_f64() * 1e3,
        memory as f64 / 1024.0
    );

    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = |name: &str| -> PathBuf { folder.path().join(name) };
    let content: Vec<u8> =
        (0..32 * MIB as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let elf = ElfBuilder::elf32().vectors(0x8010_0000, &[0; 128]).load(0x9000_0000, &content).build();
    std::fs::write(file("app.elf"), &elf).expect("the temporary folder can be written");
    let (app, key, signed, peer) =
        (text(&file("app.elf")), text(&file("key.pem")), text(&file("app.signed")), text(&file("peer.out")));
    let made = rproc(&["keys", "new", &key, "--type", "rsa2048"]).stdout(Stdio::null()).status();
    assert!(made.is_ok_and(|status| status.success()), "rproc makes keys");

    let sign = || rproc(&["sign", &app, "-o", &signed, "--key", &key, "--target", "stm32mp257:m33"]);
    let ours = measure(sign).expect("rproc signs");
    let openssl = || {
        let mut command = Command::new("openssl");
        command.args(["dgst", "-sha256", "-sign", &key, "-out", &peer, &app]);
        command
    };
    report("sign 32 MiB, RSA-2048", ours, "openssl dgst -sha256 -sign", measure(openssl));
    let script = std::env::var(SCRIPT).ok().and_then(|script| {
        let python = std::env::var(PYTHON).unwrap_or_else(|_| "python3".to_owned());
        measure(|| {
            let mut command = Command::new(&python);
            command.args([&script, "--in", &app, "--out", &peer, "--key", &key]);
            command
        })
    });
    report("sign 32 MiB, RSA-2048", ours, "upstream's sign_rproc_fw.py", script);

    let verify = || rproc(&["verify", &signed, "--key", &key]);
    let ours = measure(verify).expect("rproc verifies what it signed");
    let hash = || {
        let mut command = Command::new("openssl");
        command.args(["dgst", "-sha256", &signed]);
        command
    };
    report("verify 32 MiB, RSA-2048", ours, "openssl dgst -sha256", measure(hash));
}
