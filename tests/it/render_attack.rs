//! What agents and target systems write can't do anything to an approver's page but be read. INVARIANT i26.

use std::sync::LazyLock;

use countersign::{
    domain::{
        checks::text::hazard,
        entry::{Finished, Outcome, StepResult},
        gate::{Because, Rule, Standing},
        ids::Digest,
        policy::Policy,
        proposal::{Affected, Proposal},
        publish::Beside,
        receive::FieldError,
    },
    render::{change_diff, check, commit_message, inbox_answer, merge_message, merge_title, outcome, title},
};
use proptest::prelude::*;
use serde_json::json;

use crate::{render::gfm, render_fixtures::*};

/// An action that takes anything.
const CATALOG: &str = r#"
  attack.all:
    summary: Try everything
    resource: /attack/all
    impact: moderate
    data: [internal]
    rollback: { kind: none }
    raci: { responsible: support-agent, accountable: marketing }
    params:
      type: object
      additionalProperties: true
      required: [text]
      properties: { text: { type: string } }
    describe: "Try {{ params.text }}"
    checks: [text]
    execute:
      http:
        method: POST
        url: https://crm.example/api/attack
        body: { text: "${params.text}" }
"#;

static POLICY: LazyLock<Policy> = LazyLock::new(|| policy_with(CATALOG));

const PAYLOADS: &[&str] = &[
    // HTML
    "<b>bold</b>",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src=\"https://evil.example/p.png\">",
    "<a href=\"https://evil.example\">Approve</a>",
    "<details><summary>x</summary>",
    "</details></td></tr></table><h1>Approved</h1>",
    "<!-- hidden from people, read by programs -->",
    "--> <!--",
    "<!DOCTYPE html>",
    "<?php x ?>",
    "<![CDATA[x]]>",
    "<div align=center>",
    "<picture><source srcset=x></picture>",
    "&lt;b&gt; &#64;alice &commat;alice",
    // Mentions, references, links
    "@alice",
    "ping @acme/finance please",
    "(@alice)",
    ".@alice",
    "_@alice_",
    "mail bob@evil.example now",
    "fixes #1",
    "Closes: #1",
    "resolves acme/ops#12",
    "GH-12",
    "closes https://github.com/acme/ops/issues/1",
    "acme/ops@0123456789abcdef0123456789abcdef01234567",
    "deadbeefcafe",
    "https://evil.example/a?b=c",
    "http://evil.example",
    "www.evil.example",
    "ftp://evil.example",
    "mailto:bob@evil.example",
    "xmpp:bob@evil.example",
    "<https://evil.example>",
    "[Approve](https://evil.example)",
    "[x][1]\n\n[1]: https://evil.example",
    "![x](https://evil.example/x.png)",
    "[![x](https://evil.example/x.png)](https://evil.example)",
    "[link](javascript:alert(1))",
    "INV-2041",
    // Blocks
    "# Approved",
    "x\n# Approved",
    "x\n\n## Approved by alice\n\n",
    "Approved\n========",
    "Approved\n---",
    "---\ntitle: x\n---",
    "***",
    "- [x] approved",
    "1. one\n2. two",
    "+ one",
    "> [!WARNING]\n> Approve now",
    "    indented code",
    "\tindented code",
    "| a | b |\n|---|---|\n| c | d |",
    "a | b | c",
    "a \\| b",
    "a \\\\| b `|` c",
    "[^1] x\n\n[^1]: a footnote",
    ": definition",
    // Fences and code
    "```\nbroke out\n```",
    "```\n# Approved\n```\n\n# Approved",
    "``````````\n# Approved",
    "~~~\n# Approved\n~~~",
    "```mermaid\ngraph TD\n```",
    "`",
    "``",
    "a ` b `` c ``` d ```` e",
    "`x` `y`z` @alice",
    "@`x`bob",
    "\\`@alice\\`",
    "`@alice",
    "@alice`",
    // Inline
    "**bold** __bold__ *i* _i_ ~~gone~~",
    "$x^2$ and $$y$$",
    "$`x`$",
    ":smile: :+1: :shipit:",
    "a<br>b",
    "\\# \\* \\_ \\<b>",
    "*a",
    "_a",
    "~a",
    "{{ params.text }} {% raw %}",
    "[skip ci]",
    "x [no ci] y",
    "a\nProposal-Id: 01M817QNM0000000000000001A\nApproved-By: bob",
    // Hidden characters
    "pay \u{202e}EMCA",
    "a\u{2066}b\u{2069}",
    "zero\u{200b}width\u{200d}joiner\u{feff}",
    "tag\u{e0041}\u{e0042}",
    "soft\u{ad}hyphen",
    "variation\u{fe0f}",
    "null\u{0} bell\u{7} esc\u{1b}[31m",
    "line\u{2028}separator\u{2029}x",
    "next\u{85}line",
    "carriage\rreturn\r\nx",
    "hangul\u{3164}filler",
    "private\u{f8ff}use",
    "za\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}lgo",
    "Аcme in Cyrillic",
    "ends with a backslash \\",
    " spaces ",
    "  ",
];

/// A proposal that carries a payload in every field that an agent or a target system fills.
fn everywhere(payload: &str) -> Proposal {
    let key = |name: &str| format!("{name}{payload}");
    let affected = Affected {
        count: Some(3),
        audience: Some(payload.into()),
        deltas: [(key("d"), json!(payload)), ("n".into(), json!(5))].into(),
        sample: vec![json!({key("s"): payload}), json!(payload)],
    };
    let seen = facts(
        json!({key("k"): payload, "same": 1, "list": [payload, {"deep": payload}]}),
        Some(json!({key("k"): "other", "same": 1, "list": [payload]})),
        affected,
    );
    propose(
        &POLICY,
        "support-agent",
        json!({
            "operation": "attack.all",
            "parameters": {
                "text": payload,
                key("p"): payload,
                "nested": {key("q"): {"r": payload}, "list": [payload, payload, {"x": payload}]},
                "long": format!("{payload}\n{payload}\n{}", "x ".repeat(80)),
            },
            "justification": format!("Why: {payload}\n{payload}"),
            "rollback_plan": payload,
            "claimed": {key("c"): payload, "list": [payload]},
            "exceptions": [{"check": "text", "reason": format!("Why not: {payload}")}],
            "provenance": {
                "traceparent": payload,
                "gen_ai.agent.id": payload,
                "gen_ai.request.model": payload,
                "gen_ai.conversation.id": payload,
                "gen_ai.tool.call.id": payload,
                "prompt": {"digest": Digest::of(b"x"), "ref": payload},
                "output": {"digest": Digest::of(b"y"), "ref": payload},
            },
        }),
        vec![("1", seen)],
    )
}

/// The tags of a page, and its text outside code.
fn tags_and_text(html: &str) -> (Vec<String>, String) {
    let (mut tags, mut text, mut code) = (Vec::new(), String::new(), 0);
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        if code == 0 {
            text.push_str(&rest[..at]);
        }
        let end = rest[at..].find('>').map_or(rest.len(), |end| at + end + 1);
        let tag = &rest[at..end];
        match tag {
            "<code>" | "<code class=\"language-text\">" => code += 1,
            "</code>" => code -= 1,
            _ => {}
        }
        tags.push(tag.to_owned());
        rest = &rest[end..];
    }
    text.push_str(rest);
    (tags, text)
}

const ALLOWED: &[&str] = &[
    "h2", "h3", "p", "ul", "li", "strong", "table", "thead", "tbody", "tr", "th", "td", "pre",
];

/// A page with nothing on it but what the program itself puts there.
fn assert_harmless(markdown: &str, html: &str, payload: &str) {
    let (tags, text) = tags_and_text(html);
    for tag in &tags {
        let name = tag
            .trim_start_matches("</")
            .trim_start_matches('<')
            .trim_end_matches('>');
        let known = ALLOWED.contains(&name) || tag == "</code>" || tag == "<code>";
        assert!(
            known || tag == "<code class=\"language-text\">",
            "{payload:?} made {tag}\n{markdown}"
        );
    }
    for word in [
        "@", "#", "://", "www.", "[", "]", "$", "|", "*", "_", "~", "`", "&lt;", "&amp;", "\\", "{{",
    ] {
        // Entities are of the engine's making.
        let text = text.replace("&quot;", "\"");
        // Between letters an underscore is only a letter.
        let letters: Vec<char> = text.chars().collect();
        let text: String = (0..letters.len())
            .filter(|at| {
                let around = |at: Option<usize>| {
                    at.and_then(|at| letters.get(at))
                        .is_some_and(char::is_ascii_alphanumeric)
                };
                letters[*at] != '_' || !around(at.checked_sub(1)) || !around(Some(at + 1))
            })
            .map(|at| letters[at])
            .collect();
        assert!(
            !text.contains(word),
            "{payload:?} shows {word:?} outside code\n{text}"
        );
    }
    assert!(
        !text
            .split_whitespace()
            .any(|word| word.len() > 2 && word.starts_with(':') && word.ends_with(':')),
        "{payload:?} makes an emoji"
    );
    assert_no_hazard(markdown, payload);
}

fn assert_no_hazard(text: &str, payload: &str) {
    let bad = text.chars().find(|c| hazard(*c).is_some());
    assert_eq!(bad, None, "{payload:?} gets a hidden character through");
}

fn headings(html: &str) -> Vec<&str> {
    html.lines()
        .filter(|line| line.starts_with("<h"))
        .skip(1)
        .collect()
}

fn engines(markdown: &str) -> [String; 2] {
    let mut other = String::new();
    let options = pulldown_cmark::Options::all() - pulldown_cmark::Options::ENABLE_SMART_PUNCTUATION;
    pulldown_cmark::html::push_html(&mut other, pulldown_cmark::Parser::new_ext(markdown, options));
    [comrak::markdown_to_html(markdown, &gfm()), other]
}

fn assert_report_harmless(payload: &str) {
    let proposal = everywhere(payload);
    let report = report_of(&POLICY, &proposal);
    assert!(
        report.starts_with("## Try"),
        "front matter or heading broken: {report}"
    );
    let plain = report_of(&POLICY, &everywhere("plain words"));
    for (html, plain) in engines(&report).iter().zip(engines(&plain)) {
        let html = html.replace("<tr>\n", "<tr>").replace("\n</tr>", "</tr>");
        assert_harmless(&report, &html, payload);
        assert_eq!(
            headings(&html),
            headings(&plain),
            "{payload:?} changes the headings"
        );
    }
    assert_eq!(
        report,
        report_of(&POLICY, &proposal),
        "the same facts give the same bytes"
    );
}

#[test]
fn i26_no_payload_gets_through_any_field_of_a_report() {
    assert!(PAYLOADS.len() >= 60);
    for payload in PAYLOADS {
        assert_report_harmless(payload);
    }
}

/// Plain text for titles and commit messages.
fn assert_plain(text: &str, payload: &str) {
    assert_no_hazard(text, payload);
    let lower = text.to_lowercase();
    for word in [
        "@alice", "@acme", "#1", "gh-1", "://", "skip ci]", "no ci]", ":smile:", "`",
    ] {
        let broken = lower.replace("\\u{5b}skip ci]", "").replace("\\u{5b}no ci]", "");
        assert!(!broken.contains(word), "{payload:?} says {word:?} in {text:?}");
    }
}

#[test]
fn i26_no_payload_gets_through_a_title_or_a_commit_message() {
    for payload in PAYLOADS {
        let proposal = everywhere(payload);
        let assessment = assessment(&POLICY, &proposal);
        let title = title(&proposal, &assessment);
        assert!(title.chars().count() <= 70 && !title.contains('\n'), "{title}");
        assert_plain(&title, payload);
        assert_plain(&proposal.summary, payload);
        let message = commit_message(&proposal);
        assert_plain(&message, payload);
        let trailers = message
            .lines()
            .filter(|line| line.starts_with("Proposal-Id:"))
            .count();
        assert_eq!(trailers, 1, "{message}");
        let case = open_case(&POLICY, proposal);
        let decision = decided(&case, &observation(&case), &POLICY);
        assert_plain(&merge_title(&case, &decision), payload);
        let message = merge_message(&case, &decision);
        assert_plain(&message, payload);
        assert!(!message.contains("\nApproved-By:"), "nobody approved: {message}");
    }
}

#[test]
fn i26_no_payload_gets_through_a_check_an_outcome_or_an_answer() {
    for payload in PAYLOADS {
        let mut case = open_case(&POLICY, everywhere(payload));
        let seen = observation(&case);
        let decision = decided(&case, &seen, &POLICY);
        let text = check(&case, &decision, &POLICY, Beside::default()).unwrap();
        assert_plain(&text.title, payload);
        case.life = countersign::domain::case::Life::Executed;
        case.refused = Some((*payload).into());
        case.finished = Some(Finished {
            instance: "i-1".parse().unwrap(),
            outcome: Outcome::Executed,
            credentials: Vec::new(),
            steps: vec![StepResult {
                item: "1".parse().unwrap(),
                step: None,
                undo: false,
                outcome: Outcome::Executed,
                status: Some(201),
                request: Digest::of(b"r"),
                response: None,
                note: Some((*payload).into()),
            }],
        });
        let outcome = outcome(&case, &POLICY, None).unwrap();
        let answer = inbox_answer(&[
            FieldError::new(
                format!("/parameters/{payload}"),
                format!("no action `{payload}`; send another"),
            ),
            FieldError::new("", *payload),
        ])
        .unwrap();
        for markdown in [text.summary, outcome, answer] {
            for html in engines(&markdown) {
                let html = html.replace("<tr>\n", "<tr>").replace("\n</tr>", "</tr>");
                assert_harmless(&markdown, &html, payload);
            }
        }
    }
}

#[test]
fn i26_a_diff_holds_no_hidden_character_and_no_line_of_the_payload_s_own() {
    for payload in PAYLOADS {
        let diff = change_diff(&everywhere(payload));
        assert_no_hazard(&diff, payload);
        for line in diff.lines() {
            let ours = [
                "diff --git ",
                "new file mode ",
                "--- ",
                "+++ ",
                "@@ ",
                " ",
                "+",
                "-",
            ];
            assert!(
                ours.iter().any(|start| line.starts_with(start)),
                "{payload:?}: {line:?}"
            );
        }
        assert_eq!(
            diff.lines()
                .filter(|line| line.starts_with("diff --git "))
                .count(),
            1
        );
    }
}

#[test]
fn names_in_rules_are_quoted_too() {
    let case = open_case(&POLICY, everywhere("x"));
    let because = Because::new(Rule::NotAPerson, Standing::Noted).who(["support-agent[bot]"]);
    assert_eq!(because.who, ["support-agent[bot]"]);
    let mut seen = observation(&case);
    let countersign::domain::observation::Seen::Known(reviews) = &mut seen.reviews else {
        panic!("reviews are known");
    };
    reviews.push(countersign::domain::observation::LiveReview {
        id: countersign::domain::ids::ReviewId(1),
        account: Some(countersign::domain::ids::AccountId(2001)),
        login: Some("support-agent[bot]".parse().unwrap()),
        human: false,
        state: countersign::domain::observation::ReviewState::Approved,
        commit: Some(sha(2)),
        submitted_at: now(),
    });
    let text = check(&case, &decided(&case, &seen, &POLICY), &POLICY, Beside::default()).unwrap();
    assert!(
        text.summary
            .contains("a review by `support-agent[bot]`, an account"),
        "{}",
        text.summary
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn i26_no_text_at_all_gets_through(text in "\\PC{0,24}") {
        assert_report_harmless(&text);
    }

    #[test]
    fn i26_no_mix_of_signs_gets_through(text in "[ -/:-@\\[-`{-~a1\n\t\u{202e}\u{200b}]{0,24}") {
        assert_report_harmless(&text);
    }
}
