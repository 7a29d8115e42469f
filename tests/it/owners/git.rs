//! Patterns against `git check-ignore`: GitHub reads CODEOWNERS by the rules of `.gitignore`, but for these:
//!
//! - `!`, `[ ]` and `\#` are not supported, and an escape only before a space, which here can't stand unescaped.
//! - A last segment that is only `*` is one level (`docs/*`), while Git ignores what lies below an ignored folder.
//! - `?` is one character, while Git counts bytes: only ASCII is compared.
//! - `***` is refused here, so that nobody has to guess.
//! - `**` beside other characters is `*`, as Git documents it too; but Git cuts off what comes before the first `*`
//!   and then takes `x**/y` for `**/y`.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use countersign::domain::policy::Owners;
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

/// Which of the paths Git ignores, each below a folder of its own whose `.gitignore` has one pattern.
fn ignored(root: &Path, cases: &[(String, String)]) -> BTreeSet<usize> {
    let mut asked = String::new();
    for ((pattern, path), number) in cases.iter().zip(0..) {
        let folder = root.join(number.to_string());
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(".gitignore"), format!("{pattern}\n")).unwrap();
        asked += &format!("{number}/{path}\n");
    }
    let mut git = Command::new("git")
        .current_dir(root)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .args([
            "-c",
            "core.ignoreCase=false",
            "check-ignore",
            "--no-index",
            "--stdin",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = git.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(asked.as_bytes()).unwrap());
    let out = git.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(matches!(out.status.code(), Some(0 | 1)), "{:?}", out.status);
    let numbers = String::from_utf8(out.stdout).unwrap();
    let number = |line: &str| line.split('/').next().unwrap().trim_matches('"').parse().unwrap();
    numbers.lines().map(number).collect()
}

fn owned(pattern: &str, path: &str) -> bool {
    let owners = Owners::parse_alone(&format!("{pattern} @a\n"));
    let owners = owners.unwrap_or_else(|errors| panic!("{pattern}: {errors:?}"));
    !owners.matching(path).is_empty()
}

/// Whether the pattern ends in a `*` that is one level here and a tree in Git.
fn is_one_level(pattern: &str) -> bool {
    let before = pattern.strip_suffix("/*");
    before.is_some_and(|before| before != "**" && !before.ends_with("/**"))
}

fn case() -> impl Strategy<Value = (String, String)> {
    let segment = prop_oneof![
        3 => "[abA.-]{1,3}",
        2 => "[ab?*]{1,4}",
        1 => Just("**".to_owned()),
        1 => Just("*".to_owned()),
        1 => Just("a\\ b".to_owned()),
    ];
    let dots = |text: &str| text.split('/').any(|part| part == "." || part == "..");
    let pattern = ("/?", proptest::collection::vec(segment, 1..5), "/?")
        .prop_map(|(before, parts, after)| format!("{before}{}{after}", parts.join("/")))
        .prop_filter("differs, see above", move |text| {
            let joined = |part: &str| part != "**" && part.contains("**");
            !is_one_level(text) && !dots(text) && !text.split('/').any(joined)
        });
    let name = prop_oneof![8 => "[abA.-]{1,3}", 1 => Just("a b".to_owned())];
    let path = proptest::collection::vec(name, 1..6)
        .prop_map(|parts| parts.join("/"))
        .prop_filter("not a path", move |text| !dots(text));
    (pattern, path)
}

/// Generated as for a property, and asked of one Git process together.
#[test]
fn patterns_agree_with_git() {
    let mut runner = TestRunner::default();
    let mut next = || case().new_tree(&mut runner).unwrap().current();
    let cases: Vec<(String, String)> = (0..4_000).map(|_| next()).collect();
    let dir = tempfile::tempdir().unwrap();
    git2::Repository::init(dir.path()).unwrap();
    let ignored = ignored(dir.path(), &cases);
    let differ: Vec<_> = cases
        .iter()
        .zip(0..)
        .map(|((pattern, path), number)| (pattern, path, owned(pattern, path), ignored.contains(&number)))
        .filter(|(_, _, here, git)| here != git)
        .collect();
    assert!(differ.is_empty(), "pattern, path, here, Git: {differ:#?}");
    assert!(
        (200..3_800).contains(&ignored.len()),
        "{} of {}",
        ignored.len(),
        cases.len()
    );
}

/// The one difference that somebody could trip over, as both documentations have it.
#[test]
fn one_level_is_one_level_on_github_and_a_tree_in_git() {
    let dir = tempfile::tempdir().unwrap();
    git2::Repository::init(dir.path()).unwrap();
    let cases = [("docs/*", "docs/a"), ("docs/*", "docs/b/a"), ("/*", "a/b")];
    let cases = cases.map(|(pattern, path)| (pattern.to_owned(), path.to_owned()));
    assert_eq!(ignored(dir.path(), &cases), BTreeSet::from([0, 1, 2]));
    let ours = cases.map(|(pattern, path)| owned(&pattern, &path));
    assert_eq!(ours, [true, false, false]);
}
