//! Lines of code as they are counted: what is left of a source without comments and blank lines.

/// Whose comments and strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Comments may be in comments, strings raw, and an apostrophe begins a lifetime.
    Rust,
    /// C.
    C,
}

/// The text without its comments and without what is in strings and characters; line breaks stay.
pub fn code(text: &str, language: Language) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (kept, length) = match first {
            '/' if rest.starts_with("//") => ("", rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => ("", block_comment(rest, language)),
            '"' => ("\"\"", string(rest)),
            'r' if language == Language::Rust && !code.ends_with(is_of_word) => match raw_string(rest) {
                Some(length) => ("\"\"", length),
                None => ("r", 1),
            },
            '\'' => match character(rest) {
                Some(length) => ("''", length),
                None => ("'", 1),
            },
            other => {
                code.push(other);
                ("", other.len_utf8())
            }
        };
        code.push_str(kept);
        let (gone, left) = rest.split_at(length);
        // Each line of a long string is one of code.
        let line = if kept.is_empty() { "\n" } else { "\n\"" };
        gone.chars().filter(|c| *c == '\n' && length > 1).for_each(|_| code.push_str(line));
        rest = left;
    }
    code
}

/// How many lines are not blank.
pub fn lines(code: &str) -> usize {
    code.lines().filter(|line| !line.trim().is_empty()).count()
}

/// How many blocks of Rust code are unsafe, and how many functions, impls and other items.
pub fn unsafe_parts(code: &str) -> (usize, usize) {
    let mut parts = (0, 0);
    for (at, word) in code.match_indices("unsafe") {
        let after = &code[at + word.len()..];
        if code[..at].ends_with(is_of_word) || after.starts_with(is_of_word) {
            continue;
        }
        if after.trim_start().starts_with('{') {
            parts.0 += 1;
        } else {
            parts.1 += 1;
        }
    }
    parts
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn block_comment(text: &str, language: Language) -> usize {
    let (mut depth, mut at) = (1, 2);
    while depth > 0 && at < text.len() {
        let rest = text.as_bytes().get(at..).unwrap_or_default();
        match rest {
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            [b'/', b'*', ..] if language == Language::Rust => (depth, at) = (depth + 1, at + 2),
            _ => at += 1,
        }
    }
    at.min(text.len())
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// One that begins with `r`.
fn raw_string(text: &str) -> Option<usize> {
    let hashes = text.chars().skip(1).take_while(|c| *c == '#').count();
    let begin = 1 + hashes;
    let inside = text.get(begin..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(begin + 1 + inside.find(&end)? + end.len())
}

fn character(text: &str) -> Option<usize> {
    let mut inside = text.chars().skip(1);
    match (inside.next()?, inside.next()?) {
        // The escaped one may be an apostrophe.
        ('\\', escaped) => {
            let begin = 2 + escaped.len_utf8();
            Some(begin + text.get(begin..)?.find('\'')? + 1)
        }
        (c, '\'') => Some(2 + c.len_utf8()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_are_no_code() {
        let c = "/* one\n * two\n */\nint a; // three\n\n\tchar b = '\"'; /* four */ int c;\n#define S \"/* no comment\"\n";
        assert_eq!(lines(&code(c, Language::C)), 3);
        assert!(code(c, Language::C).ends_with("#define S \"\"\n"));
        let rust = "//! a\n/* b /* c */ d\n*/ fn f<'a>(x: &'a str) {\n    let y = '\\'';\n    let z = r#\"// \"a\n  b\"#;\n}\n\n";
        assert_eq!(lines(&code(rust, Language::Rust)), 5, "{}", code(rust, Language::Rust));
        assert!(code(rust, Language::Rust).contains("fn f<'a>(x: &'a str) {"));
        assert_eq!(lines(&code("/* never ends\n\n", Language::Rust)), 0);
        assert_eq!(code("a \"never ends\nb", Language::Rust), "a \"\"\n\"");
    }

    #[test]
    fn unsafe_is_counted_in_code_only() {
        let rust = "unsafe fn f() {}\n// unsafe {\nfn g() { unsafe { \"unsafe {\" }; unsafe\n { } }\nunsafe impl A for B {}\nfn unsafely() {}";
        assert_eq!(unsafe_parts(&code(rust, Language::Rust)), (2, 2));
        assert_eq!(unsafe_parts("#![forbid(unsafe_code)]"), (0, 0));
    }
}
