//! `countersign policy owners`, and CODEOWNERS against Git's own ignore rules.

mod git;

use std::fs;

use crate::cli::{Ran, at, run};

const FILE: &str = "\
/payments/ @acme/all

[Finance][2] @acme/finance @ann
/payments/suppliers/
!/payments/refunds/
^[Wording] @acme/marketing
*.md
[Cash][1]
/payments/cash/ @tina
";

fn owners(text: &[u8], more: &[&str]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("CODEOWNERS");
    fs::write(&file, text).unwrap();
    let mut args = vec!["policy", "owners", "--file", at(&file)];
    args.extend(more);
    let mut ran = run(&args);
    ran.out = ran.out.replace(at(dir.path()), "DIR");
    ran.err = ran.err.replace(at(dir.path()), "DIR");
    ran
}

#[test]
fn policy_owners_shows_sections_counts_and_options() {
    let ran = owners(
        FILE.as_bytes(),
        &[
            "/payments/1",
            "/payments/suppliers/a.md",
            "/payments/refunds/1",
            "/payments/cash/1",
            "/b.md",
            "/c",
        ],
    );
    assert_eq!(ran.code, 3, "{}", ran.err);
    insta::assert_snapshot!(ran.out, @r"
    /payments/1: @acme/all
        DIR/CODEOWNERS:1: /payments/ @acme/all
    /payments/suppliers/a.md: 2 sections must approve, each on its own
      no section: @acme/all
        DIR/CODEOWNERS:1: /payments/ @acme/all
      Finance: @acme/finance @ann (2 approvals)
        DIR/CODEOWNERS:4: /payments/suppliers/
      Wording: @acme/marketing (optional)
        DIR/CODEOWNERS:7: *.md
    /payments/refunds/1: 1 section must approve
      no section: @acme/all
        DIR/CODEOWNERS:1: /payments/ @acme/all
      Finance: nobody, the line excludes the path
        DIR/CODEOWNERS:5: !/payments/refunds/
    /payments/cash/1: 2 sections must approve, each on its own
      no section: @acme/all
        DIR/CODEOWNERS:1: /payments/ @acme/all
      Cash: @tina (1 approval)
        DIR/CODEOWNERS:9: /payments/cash/ @tina
    /b.md: nobody has to approve
      Wording: @acme/marketing (optional)
        DIR/CODEOWNERS:7: *.md
    /c: nobody, no line of DIR/CODEOWNERS matches
    ");
}

#[test]
fn policy_owners_answers_in_json() {
    let ran = owners(
        FILE.as_bytes(),
        &["--json", "/payments/suppliers/a.md", "/payments/refunds/1"],
    );
    assert_eq!(ran.code, 0, "{}", ran.err);
    insta::assert_snapshot!(ran.out, @r#"
    {"path":"/payments/suppliers/a.md","owned":true,"sets":[{"line":1,"optional":false,"excluded":false,"owners":["@acme/all"]},{"section":"Finance","line":4,"approvals":2,"optional":false,"excluded":false,"owners":["@acme/finance","@ann"]},{"section":"Wording","line":7,"optional":true,"excluded":false,"owners":["@acme/marketing"]}]}
    {"path":"/payments/refunds/1","owned":true,"sets":[{"line":1,"optional":false,"excluded":false,"owners":["@acme/all"]},{"section":"Finance","line":5,"approvals":2,"optional":false,"excluded":true,"owners":[]}]}
    "#);
}

#[test]
fn a_file_that_cannot_be_used_is_refused_with_its_place() {
    let said = |text: &[u8]| {
        let ran = owners(text, &["/x"]);
        assert_eq!(ran.code, 1, "{}", ran.out);
        assert!(ran.out.is_empty(), "{}", ran.out);
        ran.err
    };
    let latin = said(b"* @acme/\xe9quipe\n");
    assert!(latin.contains("is not UTF-8 at line 1, column 9"), "{latin}");
    assert!(said(b"\xef\xbb\xbf* @a\n").contains("byte order mark"));
    assert!(said("# x\n".repeat(2_500_000).as_bytes()).contains("is larger than 1 MiB"));
    let count = said(b"[Finance][two] @a\n* @b\n");
    assert!(
        count.contains("`[two]` is not a number of approvals") && count.contains(":1:1]"),
        "{count}"
    );
    let stars = "**/".repeat(1_300);
    assert_eq!(owners(format!("{stars}x @a\n").as_bytes(), &["/a/a/a/x"]).code, 0);
    assert_eq!(owners(b"* @a\r\n[S]\r\n* @b\r\n", &["/x"]).code, 0);
}
