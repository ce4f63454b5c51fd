//! Rust source as the checks see it: code without comments and strings, and which lines belong
//! to tests; and the strings by themselves. Purpose: a rule about code is not upset by what a comment
//! or a string says. A small lexer, not a parser: it knows comments, strings, characters and braces,
//! nothing else.

const TEST_MARK: &str = "#[cfg(test)]";

/// A source file split into what the compiler reads and what people read. All three texts have
/// the lines of the original.
pub struct Source {
    /// Code; comments are blank, the contents of strings are quotation marks.
    pub code: String,
    /// Comments; all else is blank.
    pub comments: String,
    /// Like `code`, with inline `#[cfg(test)] mod … { … }` blanked as well.
    pub product: String,
    /// Files of modules declared as `#[cfg(test)] mod name;`, as the declaration finds them.
    pub test_modules: Vec<TestModule>,
    /// What stands in quotation marks outside inline tests, as it is written, with its line from 1.
    pub strings: Vec<(usize, String)>,
}

impl Source {
    /// Takes a file apart.
    pub fn parse(text: &str) -> Source {
        let (code, comments, mut strings) = split(text);
        let (product, named) = without_tests(&code);
        let at = text.split(TEST_MARK).skip(1).filter_map(path_attribute);
        let at = at.map(|path| TestModule::At(path.to_owned()));
        let test_modules = named.into_iter().map(TestModule::Named).chain(at).collect();
        // An inline test's lines are blank in one of the two.
        let lines: Vec<bool> = product.lines().map(|line| !line.trim().is_empty()).collect();
        strings.retain(|(line, _)| lines.get(line - 1) == Some(&true));
        Source { code, comments, product, test_modules, strings }
    }

    /// Lines that hold code, those of inline test modules not counted.
    pub fn code_lines(&self) -> usize {
        self.product.lines().filter(|line| !line.trim().is_empty()).count()
    }
}

/// Where a test module's file is.
#[derive(Debug, PartialEq, Eq)]
pub enum TestModule {
    /// Where its name says.
    Named(String),
    /// Where `#[path]` says, from the folder of the file that declares it.
    At(String),
}

/// Where the lexer is.
enum State {
    Code,
    LineComment,
    BlockComment { depth: u32 },
    Text { escapes: bool, closing: String },
}

fn split(text: &str) -> (String, String, Vec<(usize, String)>) {
    let (mut code, mut comments) = (String::new(), String::new());
    let (mut strings, mut line, mut begins) = (Vec::new(), 1, 0);
    let mut state = State::Code;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let mut taken = first.len_utf8();
        let (mut to_code, mut to_comments) = (' ', ' ');
        match &mut state {
            State::Code => {
                if rest.starts_with("//") {
                    state = State::LineComment;
                    to_comments = first;
                } else if rest.starts_with("/*") {
                    (state, taken) = (State::BlockComment { depth: 1 }, 2);
                } else if let Some((opening, escapes, closing)) = text_opening(rest, &code) {
                    (state, taken) = (State::Text { escapes, closing }, opening);
                    begins = text.len() - rest.len() + opening;
                    to_code = '"';
                } else {
                    to_code = first;
                }
            }
            State::LineComment if first == '\n' => state = State::Code,
            State::LineComment => to_comments = first,
            State::BlockComment { depth } => {
                if rest.starts_with("/*") {
                    (*depth, taken) = (*depth + 1, 2);
                } else if rest.starts_with("*/") {
                    (*depth, taken) = (*depth - 1, 2);
                } else {
                    to_comments = first;
                }
                if *depth == 0 {
                    state = State::Code;
                }
            }
            State::Text { escapes, closing } => {
                to_code = '"';
                if *escapes && first == '\\' {
                    taken += rest.chars().nth(1).map_or(0, char::len_utf8);
                } else if rest.starts_with(closing.as_str()) {
                    let ends = text.len() - rest.len();
                    if closing != "'" {
                        let inside = text.get(begins..ends).unwrap_or_default();
                        strings.push((line - inside.matches('\n').count(), inside.to_owned()));
                    }
                    taken = closing.len();
                    state = State::Code;
                }
            }
        }
        let (seen, left) = rest.split_at(taken);
        for kept in seen.chars() {
            let line_end = kept == '\n';
            line += usize::from(line_end);
            code.push(if line_end { '\n' } else { to_code });
            comments.push(if line_end { '\n' } else { to_comments });
        }
        rest = left;
    }
    (code, comments, strings)
}

/// If a string or character literal begins here: length of its opening, whether `\` escapes in
/// it, and what closes it.
fn text_opening(rest: &str, before: &str) -> Option<(usize, bool, String)> {
    let after_name = before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
    if let Some(behind) = rest.strip_prefix('\'') {
        let mut chars = behind.chars();
        let character = match chars.next()? {
            '\\' => true,
            // 'a' is a character, 'a without its end a lifetime.
            _ => chars.next() == Some('\''),
        };
        return character.then(|| (1, true, "'".to_owned()));
    }
    if rest.starts_with('"') {
        return Some((1, true, "\"".to_owned()));
    }
    if after_name {
        return None;
    }
    let prefix = ["br", "cr", "r"].into_iter().find(|prefix| rest.starts_with(prefix))?;
    let behind = rest.strip_prefix(prefix)?;
    let hashes = behind.len() - behind.trim_start_matches('#').len();
    let quoted = behind.trim_start_matches('#').starts_with('"');
    let closing = format!("\"{}", "#".repeat(hashes));
    quoted.then(|| (prefix.len() + hashes + 1, false, closing))
}

/// Blanks inline test modules, and names those in files of their own.
fn without_tests(code: &str) -> (String, Vec<String>) {
    let (mut product, mut modules) = (String::new(), Vec::new());
    let mut rest = code;
    while let Some((before, from_mark)) = rest.find(TEST_MARK).map(|at| rest.split_at(at)) {
        product.push_str(before);
        let Some((length, module)) = test_item(from_mark, TEST_MARK.len()) else {
            let (mark, behind) = from_mark.split_at(TEST_MARK.len());
            product.push_str(mark);
            rest = behind;
            continue;
        };
        let (item, behind) = from_mark.split_at(length);
        product.extend(item.chars().filter(|c| *c == '\n'));
        modules.extend(module);
        rest = behind;
    }
    product.push_str(rest);
    (product, modules)
}

/// The path in the attribute with which the text begins.
fn path_attribute(text: &str) -> Option<&str> {
    let path = text.trim_start().strip_prefix("#[path = \"")?;
    path.split_once('"').map(|(path, _)| path)
}

/// The length of the test module that begins with the mark, and its name when it is in a file
/// of its own; `None` when the mark stands before something else.
fn test_item(text: &str, mark: usize) -> Option<(usize, Option<String>)> {
    let mut declared = text.get(mark..)?.trim_start();
    while declared.starts_with("#[") {
        declared = declared.split_once(']')?.1.trim_start();
    }
    let declared = match declared.strip_prefix("pub") {
        Some(public) if public.starts_with('(') => public.split_once(") ")?.1,
        Some(public) => public.strip_prefix(' ')?,
        None => declared,
    };
    let name_on = declared.strip_prefix("mod ")?;
    let name: String = name_on.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let name_end = text.len() - name_on.len() + name.len();
    let behind = text.get(name_end..)?;
    let opening = behind.find(['{', ';'])?;
    if behind.get(opening..)?.starts_with(';') {
        return Some((name_end + opening + 1, Some(name)));
    }
    let mut depth = 0_usize;
    for (at, c) in text.char_indices().skip_while(|(at, _)| *at < name_end + opening) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((at + 1, None));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_not_code() {
        let source = Source::parse(
            "let a = \"use crate::x; // \\\" no\"; // word one\n/* word /* two */ three */ let b = 'x';\n",
        );
        assert!(!source.code.contains("crate") && !source.code.contains("word"));
        assert!(source.code.contains("let a =") && source.code.contains("let b ="));
        assert!(source.comments.contains("word one") && source.comments.contains("three"));
        assert!(!source.comments.contains("crate"));
        assert_eq!(source.code.lines().count(), 2);
    }

    #[test]
    fn raw_strings_lifetimes_and_characters_are_told_apart() {
        let source = Source::parse(
            "fn f<'a>(x: &'a str) { g(r#\"a \" { \"#, b\"}\", '\"', '\\'', '{'); h(br\"\\\"); last() }",
        );
        assert!(source.code.contains("fn f<'a>(x: &'a str)"), "{}", source.code);
        assert!(source.code.contains("last()"), "{}", source.code);
        assert_eq!(source.code.matches('{').count(), 1, "{}", source.code);
        assert_eq!(source.code.matches('}').count(), 1, "{}", source.code);
    }

    #[test]
    fn strings_come_with_their_lines_and_without_those_of_tests() {
        let text = "a(\"one \\\" {x}\", 'c');\nb(\"two\\\n  lines\", r#\"a \"raw\" one\"#);\n\
                    #[cfg(test)]\nmod tests {\n    c(\"of a test\");\n}\nd(\"last\");\n";
        let strings = Source::parse(text).strings;
        let lines: Vec<usize> = strings.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 3, 8]);
        let texts: Vec<&str> = strings.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["one \\\" {x}", "two\\\n  lines", "a \"raw\" one", "last"]);
    }

    #[test]
    fn inline_test_modules_are_taken_out_and_the_code_behind_them_stays() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn t() { \"}\"; }\n}\nfn b() {}\n";
        let source = Source::parse(text);
        assert!(source.product.contains("fn a()") && source.product.contains("fn b()"));
        assert!(!source.product.contains("fn t()"));
        assert_eq!(source.code_lines(), 2);
        assert_eq!(source.product.lines().count(), text.lines().count());
        assert!(source.test_modules.is_empty());
    }

    #[test]
    fn test_modules_in_files_of_their_own_are_named() {
        let source = Source::parse("#[cfg(test)]\nmod foo_tests;\n#[cfg(test)]\nfn g() {}\n");
        assert_eq!(source.test_modules, [TestModule::Named("foo_tests".to_owned())]);
        assert!(source.product.contains("fn g()"));
        let source = Source::parse("#[cfg(test)]\npub(crate) mod a;\n#[cfg(test)]\npub mod b;\n");
        assert_eq!(source.test_modules, ["a", "b"].map(|name| TestModule::Named(name.to_owned())));
        let source = Source::parse("#[cfg(test)]\n#[path = \"foo_tests.rs\"]\nmod tests;\n");
        assert!(source.test_modules.contains(&TestModule::At("foo_tests.rs".to_owned())));
        assert_eq!(source.code_lines(), 0);
    }

    #[test]
    fn blank_and_comment_lines_do_not_count() {
        let source =
            Source::parse("//! Doc.\n\n/// Doc.\nfn a() {\n    // why\n    b(\"x\n\ny\");\n}\n");
        assert_eq!(source.code_lines(), 4);
    }
}
