//! The committed ELF files are those that the builder makes; `RPROC_WRITE_TEST_DATA=1 cargo test` writes them.

mod common;

#[test]
fn committed_elf_files_are_up_to_date() {
    for (name, content) in common::elf_files() {
        let path = common::data().join(name);
        if std::env::var_os("RPROC_WRITE_TEST_DATA").is_some() {
            std::fs::write(&path, &content).unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == content, "{name} is stale: see the head of this file");
    }
}
