//! Every message that the product can print, for reading as a stranger would: with one name for one
//! thing, what happened, and what to do. Purpose: the list, and the words that none of them may use.
//! Non-goals: what a message says of itself at run time. Bound: it reads strings of the source that
//! hold more than one word, not what is put together from single ones.

use std::path::Path;

use argh::FromArgs;

use crate::source::Source;
use crate::text_files::{collect, is_test, tests_of, text, TextFile};

/// Words that a reader would stumble over, and what to write instead.
const AVOIDED: [(&str, &str); 9] = [
    ("anew", "again"),
    ("whoever", "who, or anybody who"),
    ("is none", "is missing"),
    ("are none", "are missing"),
    ("elders", "older ones"),
    ("may wait", "waits"),
    ("comes in", "is received"),
    ("came in", "was received"),
    ("does not until", "for as long as"),
];

/// The page's words, one file a language.
const PAGE_WORDS: [&str; 2] = ["src/control/page/words-en.js", "src/control/page/words-ja.js"];

/// list every message that the program, its page and its scripts can show
#[derive(FromArgs)]
#[argh(subcommand, name = "messages")]
pub struct Messages {
    /// only those that hold this text
    #[argh(positional)]
    text: Option<String>,
}

/// A message, and where it stands.
struct Message {
    path: String,
    line: usize,
    text: String,
}

/// Prints them.
pub fn run(options: &Messages) -> Result<(), String> {
    let wanted = options.text.as_deref().unwrap_or_default();
    for message in all(Path::new("."))?.iter().filter(|message| message.text.contains(wanted)) {
        println!("{}:{}: {}", message.path, message.line, message.text);
    }
    Ok(())
}

/// Messages that use a word which is avoided, each as a sentence.
pub fn avoided(root: &Path) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for Message { path, line, text } in all(root)? {
        let text = text.to_lowercase();
        let words = AVOIDED.iter().filter(|(avoided, _)| has(&text, avoided));
        found.extend(words.map(|(avoided, instead)| {
            format!("{path}:{line}: a message says {avoided:?}; write {instead}")
        }));
    }
    Ok(found)
}

/// Whether a text has these words, whole.
fn has(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let behind = text.get(at + words.len()..).and_then(|behind| behind.chars().next());
        !is_letter(before) && !is_letter(behind)
    })
}

fn all(root: &Path) -> Result<Vec<Message>, String> {
    let (mut code, mut scripts) = (Vec::new(), Vec::new());
    collect(root, "src", ".rs", &mut code)?;
    collect(root, "rootfs/usr/lib/appliance", "", &mut scripts)?;
    let parsed: Vec<(&TextFile, Source)> =
        code.iter().map(|file| (file, Source::parse(&file.text))).collect();
    let tests: Vec<String> =
        parsed.iter().flat_map(|(file, source)| tests_of(file, source)).collect();
    let product = parsed.iter().filter(|(file, _)| !is_test(&file.path, &tests));
    let mut messages: Vec<Message> =
        product.flat_map(|(file, source)| of_code(file, source)).collect();
    for path in PAGE_WORDS {
        messages.extend(of_words(&text(root, path)?));
    }
    messages.extend(scripts.iter().flat_map(of_script));
    Ok(messages)
}

/// Strings of several words, but for what a panic says: that is our own bug, told to nobody else.
fn of_code(file: &TextFile, source: &Source) -> Vec<Message> {
    let lines: Vec<&str> = source.product.lines().collect();
    let is_ours = |line: usize| {
        let code = lines.get(line - 1).copied().unwrap_or_default();
        ["expect(", "assert", "panic!(", "unreachable!("].iter().any(|ours| code.contains(ours))
    };
    let strings = source.strings.iter().filter(|(line, text)| {
        let words = text.split_whitespace().filter(|word| word.chars().any(char::is_alphabetic));
        words.count() > 1 && !is_ours(*line)
    });
    strings.map(|(line, text)| message(file, *line, &joined(text))).collect()
}

/// A string as it is printed: a line that ends in a backslash goes on in the next.
fn joined(text: &str) -> String {
    let mut lines = text.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |joined, line| joined + line.trim_start()).replace('\n', "\\n")
}

/// Entries of a list `key: "text"`, several to a line.
fn of_words(file: &TextFile) -> Vec<Message> {
    let mut messages = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let mut parts = line.split('"');
        while let (Some(key), Some(text)) = (parts.next(), parts.next()) {
            let key = key.trim_matches([' ', ',', ':']);
            messages.push(message(file, number + 1, &format!("{key}: {text}")));
        }
    }
    messages
}

/// What the scripts log (`say`) or print.
fn of_script(file: &TextFile) -> Vec<Message> {
    let mut messages = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let Some((_, said)) = line.split_once("say \"").or_else(|| line.split_once("echo \""))
        else {
            continue;
        };
        let said = said.split('"').next().unwrap_or_default();
        if said.contains(' ') {
            messages.push(message(file, number + 1, said));
        }
    }
    messages
}

fn message(file: &TextFile, line: usize, text: &str) -> Message {
    Message { path: file.path.clone(), line, text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> TextFile {
        TextFile { path: "a".to_owned(), text: text.to_owned() }
    }

    fn said(messages: &[Message]) -> Vec<(usize, &str)> {
        messages.iter().map(|message| (message.line, message.text.as_str())).collect()
    }

    #[test]
    fn strings_of_several_words_are_messages_and_what_a_panic_says_is_not() {
        let file = file(
            "info!(\"no signal for {ms} ms\");\nkey(\"name\");\nx.expect(\"it is open\");\n\
             words(\n    \"the disk is full; \\\n     remove a file\",\n);\n",
        );
        let messages = of_code(&file, &Source::parse(&file.text));
        let expected = [(1, "no signal for {ms} ms"), (5, "the disk is full; remove a file")];
        assert_eq!(said(&messages), expected);
    }

    #[test]
    fn the_pages_words_come_with_their_keys_and_scripts_with_what_they_say() {
        let words = of_words(&file("  skip: \"Skip it\", yes: \"on\",\n  // A comment\n"));
        assert_eq!(said(&words), [(1, "skip: Skip it"), (1, "yes: on")]);
        let script = of_script(&file("# say so\nsay \"the disk is full\"\necho \"$x\" > f\n"));
        assert_eq!(said(&script), [(2, "the disk is full")]);
    }

    #[test]
    fn avoided_words_are_found_whole() {
        assert!(has("begins anew.", "anew"));
        assert!(!has("a renewal", "anew") && !has("kaneword anewer", "anew"));
    }
}
