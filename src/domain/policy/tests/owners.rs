use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::domain::policy::{Owners, pattern::Pattern};

fn matches(pattern: &str, path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    Pattern::parse(pattern).unwrap().matches(&parts)
}

/// GitHub's documented examples, and what follows from the rules that it shares with `.gitignore`.
#[rstest]
#[case("*", "a.txt", true)]
#[case("*", "deep/down/a.txt", true)]
#[case("*.js", "app.js", true)]
#[case("*.js", "src/lib/app.js", true)]
#[case("*.js", "app.jsx", false)]
#[case("*.js", "js", false)]
#[case("/build/logs/", "build/logs/a.log", true)]
#[case("/build/logs/", "build/logs/deep/a.log", true)]
#[case("/build/logs/", "x/build/logs/a.log", false)]
#[case("/build/logs/", "build/logs", false)]
#[case("docs/*", "docs/getting-started.md", true)]
#[case("docs/*", "docs/build-app/troubleshooting.md", false)]
#[case("docs/*", "x/docs/getting-started.md", false)]
#[case("docs/*", "docs", false)]
#[case("apps/", "apps/a.rs", true)]
#[case("apps/", "deep/apps/x/a.rs", true)]
#[case("apps/", "apps", false)]
#[case("apps/", "myapps/a.rs", false)]
#[case("/docs/", "docs/a.md", true)]
#[case("/docs/", "docs/deep/a.md", true)]
#[case("/docs/", "x/docs/a.md", false)]
#[case("/apps/", "apps/x", true)]
#[case("/apps/github", "apps/github", true)]
#[case("/apps/github", "apps/github/x/y", true)]
#[case("/apps/github", "apps/github2", false)]
#[case("**/logs", "logs", true)]
#[case("**/logs", "build/logs", true)]
#[case("**/logs", "build/logs/x.log", true)]
#[case("**/logs", "deeply/nested/logs/y/x.log", true)]
#[case("**/logs", "build/mylogs/x", false)]
#[case("logs", "logs", true)]
#[case("logs", "a/logs/b", true)]
#[case("/logs", "a/logs/b", false)]
#[case("a/**/b", "a/b", true)]
#[case("a/**/b", "a/x/b", true)]
#[case("a/**/b", "a/x/y/b", true)]
#[case("a/**/b", "a/x/y/c", false)]
#[case("a/**/b", "z/a/b", false)]
#[case("a/**", "a/b/c", true)]
#[case("a/**", "a", false)]
#[case("**", "a/b/c", true)]
#[case("/**", "a", true)]
#[case("/*", "a", true)]
#[case("/*", "a/b", false)]
#[case("/**/*", "a/b/c", true)]
#[case("a/*/c", "a/b/c", true)]
#[case("a/*/c", "a/b/x/c", false)]
#[case("a/*/c", "a/b/c/d", true)]
#[case("a?c", "abc", true)]
#[case("a?c", "a/c", false)]
#[case("a?c", "ac", false)]
#[case("?", "é", true)]
#[case("*a*a*", "banana", true)]
#[case("*a*b", "aaab", true)]
#[case("*a*b", "aaba", false)]
#[case("Docs/", "docs/a", false)]
#[case("docs/a\\ b", "docs/a b", true)]
#[case("x**y", "xanythingy", true)]
#[case("x**y", "x/y", false)]
#[case("/payments/suppliers/*", "payments/suppliers/42", true)]
#[case("/payments/", "payments/suppliers/42", true)]
#[case("payments", "crm/payments/42", true)]
#[case("/payments/suppliers/42", "payments/suppliers/421", false)]
fn a_pattern_matches_as_on_github(#[case] pattern: &str, #[case] path: &str, #[case] expected: bool) {
    assert_eq!(matches(pattern, path), expected, "{pattern} against {path}");
}

#[test]
fn the_last_line_that_matches_counts() {
    let text = "# everything\n*  @acme/all\n\n/payments/ @acme/finance @alice # in line\n/payments/open/\n*.md @bob\n";
    let owners = Owners::parse_alone(text).unwrap();
    let named = |path: &str| {
        let said = owners.matching(path).pop()?;
        Some((said.line, said.owners.join(" ")))
    };
    assert_eq!(named("/x"), Some((2, "@acme/all".into())));
    assert_eq!(named("payments/x"), Some((4, "@acme/finance @alice".into())));
    assert_eq!(named("/payments/open/x"), Some((5, String::new())));
    assert_eq!(named("/payments/open/a.md"), Some((6, "@bob".into())));
    let few = Owners::parse_alone("/a/ @b").unwrap();
    assert!(few.matching("/c").is_empty());
    assert!(Owners::parse_alone("").unwrap().matching("/c").is_empty());
}

#[test]
fn lines_that_github_would_skip_are_errors() {
    let cases = [
        (
            "!docs @a",
            "CODEOWNERS:1:1: `!` excludes from a section, and none has begun; list what is owned instead",
        ),
        (
            "*  @a\n\\#x @a",
            "CODEOWNERS:2:1: a pattern can't begin with `#`, escaped or not; rename the file or match it with `?`",
        ),
        (
            "  [ab].txt @a",
            "CODEOWNERS:1:3: `.txt` can't follow a section; write `[Name][2] @owner`, and for character ranges `[ ]`, \
             which are not supported, one line for each",
        ),
        (
            "x[ab].txt @a",
            "CODEOWNERS:1:1: character ranges `[ ]` are not supported; write one line for each",
        ),
        (
            "a\u{a0}@b",
            "CODEOWNERS:1:1: the pattern has a character that nobody sees; remove it",
        ),
        (
            "* @a\r/b @c",
            "CODEOWNERS:1:3: `@a\\r/b` is not an owner; write `@login` or `@organization/team`",
        ),
        (
            "a*** @a",
            "CODEOWNERS:1:1: `***` is not a pattern; write `**` or `*`",
        ),
        (
            "/ @a",
            "CODEOWNERS:1:1: an empty path segment matches nothing; write one `/`",
        ),
        (
            "a//b @a",
            "CODEOWNERS:1:1: an empty path segment matches nothing; write one `/`",
        ),
        (
            "a/../b @a",
            "CODEOWNERS:1:1: `.` and `..` match nothing; write the path from the root",
        ),
        ("a\\b @a", "CODEOWNERS:1:1: `\\` may only stand before a space"),
        (
            "é/x ann@example.com",
            "CODEOWNERS:1:5: `ann@example.com` is an e-mail address; name the person's login, as in `@alice`",
        ),
        (
            "* alice",
            "CODEOWNERS:1:3: `alice` is not an owner; write `@login` or `@organization/team`",
        ),
        (
            "* @a @",
            "CODEOWNERS:1:6: `@` is not an owner; write `@login` or `@organization/team`",
        ),
        (
            "* @a/b/c",
            "CODEOWNERS:1:3: `@a/b/c` is not an owner; write `@login` or `@organization/team`",
        ),
        (
            "* @a#b",
            "CODEOWNERS:1:3: `@a#b` is not an owner; write `@login` or `@organization/team`",
        ),
        (
            "a\u{200b} @a",
            "CODEOWNERS:1:1: the pattern has a character that nobody sees; remove it",
        ),
        (
            "\u{feff}* @a",
            "CODEOWNERS:1:1: the file begins with a byte order mark; save it as UTF-8 without",
        ),
    ];
    for (text, message) in cases {
        let errors = Owners::parse_alone(text).unwrap_err();
        let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(shown, [message], "{text}");
    }
    let errors = Owners::parse_alone("!a @b\nc d\n* e f\n").unwrap_err();
    assert_eq!(errors.len(), 4);
    let error = &Owners::parse_alone("\n\nab  cd").unwrap_err()[0];
    assert_eq!(error.bytes(), Some((6, 2)));
    let long = format!("#{}", "x".repeat(10_000_000));
    assert_eq!(
        Owners::parse_alone(&long).unwrap_err()[0].to_string(),
        "CODEOWNERS: the file has 10000001 bytes; GitHub ignores it from 3 MB"
    );
    let deep = format!("{}x @a", "a/".repeat(2048));
    assert_eq!(
        Owners::parse_alone(&deep).unwrap_err()[0].message(),
        "a pattern has at most 4096 bytes; match a folder above"
    );
}

#[test]
fn owners_are_found_among_the_people() {
    let people = |from, to| broken("CODEOWNERS", from, to);
    assert_eq!(
        people("@acme/finance @acme/treasury", "@acme/finanse @Alise"),
        "[unknown-name] CODEOWNERS:8:24: unknown team `finanse`; did you mean `finance`?\n\
         [unknown-name] CODEOWNERS:8:38: unknown login `Alise`; did you mean `alice`?"
    );
    assert_eq!(
        people("@acme/treasury", "@other/treasury"),
        "[owners] CODEOWNERS:8:38: the team is of `other`, others are of `acme`; use one organization"
    );
    let policy = policy(&with("CODEOWNERS", "@acme/treasury", "@Carol-OnCall"));
    let sets = policy.owners().requirements("/payments/x");
    let set = &sets.sets()[0];
    assert_eq!(set.line(), 8);
    let owners: Vec<String> = set.owners().iter().map(ToString::to_string).collect();
    assert_eq!(owners, ["finance", "carol"]);
}

#[test]
fn a_line_without_owners_clears_them() {
    let policy = policy(&with(
        "CODEOWNERS",
        "/payments/             @acme",
        "/payments/ @alice\n/payments/x/\n/payments/ok/ @acme",
    ));
    assert!(policy.owners().requirements("/payments/x/1").is_unowned());
    assert!(!policy.owners().requirements("/payments/y/1").is_unowned());
}

/// A slow matcher written from the documentation: every way to spend the path is tried.
fn naive(pattern: &str, path: &[&str]) -> bool {
    fn glob(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) => (0..=text.len()).any(|n| glob(rest, &text[n..])),
            (Some(('?', rest)), Some((_, text))) => glob(rest, text),
            (Some((c, rest)), Some((d, text))) => c == d && glob(rest, text),
            (_, None) | (None, Some(_)) => false,
        }
    }
    fn walk(parts: &[&str], path: &[&str], below: bool) -> bool {
        match parts {
            [] => path.is_empty() || below,
            [last] if *last == "**" => !path.is_empty(),
            ["**", rest @ ..] => (0..=path.len()).any(|n| walk(rest, &path[n..], below)),
            [part, rest @ ..] => path.split_first().is_some_and(|(name, path)| {
                let chars = |text: &str| text.chars().collect::<Vec<char>>();
                glob(&chars(part), &chars(name)) && walk(rest, path, below)
            }),
        }
    }
    let body = pattern.strip_prefix('/').unwrap_or(pattern);
    let rooted = pattern.trim_end_matches('/').contains('/');
    let body = match body.strip_suffix('/') {
        // Any folder, and a folder has a name.
        Some(directory) if directory.rsplit('/').next() == Some("**") => format!("{directory}/*/**"),
        Some(directory) => format!("{directory}/**"),
        None => body.to_owned(),
    };
    let body = if rooted { body } else { format!("**/{body}") };
    let parts: Vec<&str> = body.split('/').collect();
    let below = !matches!(parts.last(), Some(&"*" | &"**"));
    walk(&parts, path, below)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn matching_agrees_with_a_naive_matcher(
        pattern in "/?([ab*?]{1,3}|\\*\\*)(/([ab*?]{1,3}|\\*\\*)){0,3}/?",
        path in proptest::collection::vec("[ab]{1,3}", 1..6),
    ) {
        prop_assume!(!pattern.contains("***"));
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let parsed = Pattern::parse(&pattern).unwrap();
        prop_assert_eq!(parsed.matches(&path), naive(&pattern, &path), "{} against {:?}", pattern, path);
    }

    #[test]
    fn any_text_is_an_answer(text in "[ /a*?@!#\\[\\]\\\\\\n\\t.é\u{200b}-]{0,40}", path in "[/a.]{0,10}") {
        if let Ok(owners) = Owners::parse_alone(&text) {
            let _ = owners.matching(&path);
        }
    }
}

#[test]
fn a_hostile_pattern_costs_no_more_than_its_size() {
    let pattern = format!("/{}", "**/*a*a*a*a*a*a*b/".repeat(200));
    let stars = format!("{}x", "**/".repeat(1300));
    let name = "a".repeat(128);
    let path: Vec<&str> = std::iter::repeat_n(name.as_str(), 200).collect();
    let started = std::time::Instant::now();
    assert!(!Pattern::parse(&pattern).unwrap().matches(&path));
    assert!(!Pattern::parse(&stars).unwrap().matches(&path));
    assert!(started.elapsed().as_secs() < 20);
}
