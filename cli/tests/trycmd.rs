//! The command line as people see it; `TRYCMD=overwrite cargo test` rewrites the expectations.

#[test]
fn commands_print_what_they_printed() {
    trycmd::TestCases::new().env("COLUMNS", "100").case("tests/cmd/*.trycmd");
}
