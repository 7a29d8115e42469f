//! Every kind of bad proposal: a clear answer that names the field and the remedy, or shown escaped; nothing half-written.

use std::fmt::Write as _;

use countersign::domain::request::Request;
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::world::{REPO, World, campaign, fresh, git, payment, story};

const PROPOSALS: &str = "/api/v1/proposals";

/// An answer in a few lines: status, kind, and each field with what is wrong and what to do.
fn told(status: u16, answer: &Value) -> String {
    let kind = answer["type"]
        .as_str()
        .unwrap_or("not a problem")
        .rsplit(':')
        .next()
        .unwrap();
    let mut text = format!("{status} {kind}");
    match answer["errors"].as_array() {
        Some(errors) => {
            for error in errors {
                let (field, message) = (
                    error["field"].as_str().unwrap(),
                    error["message"].as_str().unwrap(),
                );
                write!(text, "\n    {field}: {message}").unwrap();
            }
        }
        None => write!(text, "\n    {}", answer["detail"].as_str().unwrap_or_default()).unwrap(),
    }
    text
}

async fn raw(world: &World, kind: &str, body: &[u8]) -> String {
    let (status, answer) = world.send("payments-agent", "POST", PROPOSALS, kind, body).await;
    told(status, &answer)
}

/// Proposes with a good signature where one is possible, and with one of the right shape where it is not.
async fn sent(world: &World, agent: &str, mut body: Value) -> (u16, Value) {
    if body.get("nonce").is_none() {
        body["nonce"] = json!(fresh());
    }
    let signed =
        serde_json::from_value::<Request>(body.clone()).is_ok_and(|request| request.signed_bytes().is_ok());
    if signed {
        return world.propose(agent, body).await;
    }
    body["signature"] = json!(format!("{}==", "A".repeat(86)));
    let body = body.to_string().into_bytes();
    world
        .send(agent, "POST", PROPOSALS, "application/json", &body)
        .await
}

/// A payment with one thing changed.
fn changed(pointer: &str, value: Value) -> Value {
    let mut body = payment();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[name] = value;
    body
}

fn without(pointer: &str) -> Value {
    let mut body = payment();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    parent.remove(name).unwrap();
    body
}

fn items(items: Value) -> Value {
    let mut body = without("/parameters");
    body["items"] = items;
    body
}

/// What each of these is told, with nothing left behind by any of them.
async fn answers(world: &mut World, cases: Vec<(&str, Value)>) -> String {
    let before = world.still();
    let mut text = String::new();
    for (what, body) in cases {
        let (status, answer) = sent(world, "payments-agent", body).await;
        assert!((400..500).contains(&status), "{what}: {status} {answer}");
        writeln!(text, "{what}: {}", told(status, &answer)).unwrap();
    }
    world.settle().await;
    assert_eq!(world.still(), before);
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_json_is_refused_by_place() {
    story(async |world| {
        let before = world.still();
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let deeper = format!("{}{}", "[".repeat(400_000), "]".repeat(400_000));
        let cases: Vec<(&str, Vec<u8>)> = vec![
            ("nothing", b"".to_vec()),
            ("blank", b"  \n".to_vec()),
            ("cut off", br#"{"operation": "payments.create""#.to_vec()),
            ("a list", b"[]".to_vec()),
            ("a text", br#""pay""#.to_vec()),
            ("null", b"null".to_vec()),
            ("a number", b"7".to_vec()),
            ("empty", b"{}".to_vec()),
            ("two documents", b"{} {}".to_vec()),
            (
                "a trailing comma",
                br#"{"operation": "payments.create",}"#.to_vec(),
            ),
            (
                "a key twice",
                br#"{"operation": "payments.create", "operation": "crm.note"}"#.to_vec(),
            ),
            (
                "a key twice, escaped",
                br#"{"sponsor": "carol", "\u0073ponsor": "alice"}"#.to_vec(),
            ),
            (
                "a key twice, deep",
                br#"{"parameters": {"amount": {"minor": 1, "minor": 2}}}"#.to_vec(),
            ),
            ("NaN", br#"{"parameters": {"minor": NaN}}"#.to_vec()),
            ("Infinity", br#"{"parameters": {"minor": Infinity}}"#.to_vec()),
            (
                "a number beyond all",
                br#"{"parameters": {"minor": 1e999}}"#.to_vec(),
            ),
            ("half a surrogate", br#"{"operation": "\ud800"}"#.to_vec()),
            ("a control character", b"{\"operation\": \"a\x00b\"}".to_vec()),
            ("not UTF-8", b"{\"operation\": \"\xff\xfe\"}".to_vec()),
            ("a byte order mark", b"\xef\xbb\xbf{}".to_vec()),
            ("nested deeply", deep.into_bytes()),
            ("nested beyond all", deeper.into_bytes()),
        ];
        let mut text = String::new();
        for (what, body) in cases {
            writeln!(text, "{what}: {}", raw(world, "application/json", &body).await).unwrap();
        }
        assert_eq!(world.still(), before);
        insta::assert_snapshot!(text, @"");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_strict_yaml_is_refused_by_place() {
    story(async |world| {
        let before = world.still();
        let bomb = {
            let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
            for (name, before) in ('b'..='i').zip('a'..) {
                let aliases = vec![format!("*{before}"); 9].join(", ");
                writeln!(text, "{name}: &{name} [{aliases}]").unwrap();
            }
            text
        };
        let deep = (0..60).fold(String::new(), |text, depth| {
            format!("{text}{}a:\n", " ".repeat(depth))
        });
        let cases: Vec<(&str, String)> = vec![
            ("a tab", "operation:\n\tpayments.create\n\t- x: {".into()),
            ("cut off", "operation: [payments".into()),
            (
                "a key twice",
                "operation: payments.create\nsponsor: carol\noperation: crm.note\n".into(),
            ),
            (
                "a key twice, deep",
                "parameters:\n  amount: { minor: 1, minor: 2 }\n".into(),
            ),
            (
                "a merge key",
                "base: &base { sponsor: alice }\n<<: *base\n".into(),
            ),
            (
                "two documents",
                "operation: payments.create\n---\noperation: crm.note\n".into(),
            ),
            ("a bomb of aliases", bomb),
            ("an alias of itself", "a: &a [*a]\n".into()),
            ("an alias of nothing", "operation: *nothing\n".into()),
            (
                "a tag",
                "operation: !!python/object:os.system payments.create\n".into(),
            ),
            ("nested deeply", deep),
            ("nested in a line", "[".repeat(5_000)),
            ("not a number", "parameters: { minor: .nan }\n".into()),
            ("infinite", "parameters: { minor: .inf }\n".into()),
            ("a control character", "operation: \"a\u{1}b\"\n".into()),
            ("a list", "- operation\n".into()),
            (
                "an unknown field",
                "operation: payments.create\nsponser: carol\n".into(),
            ),
            (
                "a wrong type",
                "operation: payments.create\nsponsor: [carol]\n".into(),
            ),
            (
                "a boolean by its name",
                "operation: payments.create\nsponsor: yes\nnonce: off\n".into(),
            ),
        ];
        let mut text = String::new();
        for (what, body) in cases {
            writeln!(
                text,
                "{what}: {}",
                raw(world, "application/yaml", body.as_bytes()).await
            )
            .unwrap();
        }
        assert_eq!(world.still(), before);
        insta::assert_snapshot!(text, @"");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_the_wrong_shape_is_refused_by_name() {
    story(async |world| {
        let text = answers(
            world,
            vec![
                ("no operation", without("/operation")),
                ("no sponsor", without("/sponsor")),
                ("no justification", without("/justification")),
                ("an unknown field", changed("/sponser", json!("carol"))),
                (
                    "an unknown field, like none",
                    changed("/approved_by", json!(["alice", "bob"])),
                ),
                ("a field of the bot's own", changed("/tier", json!("low"))),
                ("operation as a number", changed("/operation", json!(7))),
                ("operation without a dot", changed("/operation", json!("pay"))),
                (
                    "operation with a path",
                    changed("/operation", json!("payments/../crm.note")),
                ),
                (
                    "sponsor as a list",
                    changed("/sponsor", json!(["carol", "alice"])),
                ),
                ("sponsor as null", changed("/sponsor", Value::Null)),
                (
                    "sponsor with hidden characters",
                    changed("/sponsor", json!("ca\u{200b}rol")),
                ),
                ("items as a mapping", items(json!({ "1": {} }))),
                ("an item without an id", items(json!([{ "parameters": {} }]))),
                (
                    "an item's id with a path",
                    items(json!([{ "id": "../1", "parameters": {} }])),
                ),
                (
                    "an item with more",
                    items(json!([{ "id": "1", "parameters": {}, "approve": true }])),
                ),
                ("a short nonce", changed("/nonce", json!("short"))),
                ("an expiry in words", changed("/expires_at", json!("tomorrow"))),
                (
                    "an expiry as a number",
                    changed("/expires_at", json!(1_800_000_000)),
                ),
                ("claims as a list", changed("/claimed", json!([1]))),
                (
                    "a predecessor that is no id",
                    changed("/supersedes", json!("the other one")),
                ),
                (
                    "an exception without a reason",
                    changed("/exceptions", json!([{ "check": "text" }])),
                ),
                (
                    "provenance with more",
                    changed("/provenance", json!({ "model": "x" })),
                ),
            ],
        )
        .await;
        insta::assert_snapshot!(text, @"");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_the_catalog_is_refused_by_field() {
    story(async |world| {
        let five_hundred_and_one: Vec<Value> = (0..501)
            .map(|id| json!({ "id": id.to_string(), "parameters": payment()["parameters"] }))
            .collect();
        let one = json!({ "id": "1", "parameters": payment()["parameters"] });
        let mut both = payment();
        both["items"] = json!([one]);
        let mut many = payment();
        many["sponsor"] = json!("alice");
        many["justification"] = json!("");
        many["parameters"] = json!({ "supplier_id": "", "amount": { "minor": "12500", "currency": "eur" } });
        let text = answers(
            world,
            vec![
                (
                    "an action that is not there",
                    changed("/operation", json!("payments.creat")),
                ),
                (
                    "an action like none",
                    changed("/operation", json!("world.dominate")),
                ),
                (
                    "an action that is not theirs",
                    changed("/operation", json!("crm.note")),
                ),
                ("another agent's sponsor", changed("/sponsor", json!("erin"))),
                ("a sponsor that is nobody", changed("/sponsor", json!("root"))),
                (
                    "money as a float",
                    changed("/parameters/amount/minor", json!(12_500.5)),
                ),
                (
                    "money as a whole float",
                    changed("/parameters/amount/minor", json!(1_250_000.0)),
                ),
                (
                    "money as text",
                    changed("/parameters/amount/minor", json!("1250000")),
                ),
                ("money without a currency", without("/parameters/amount/currency")),
                ("no money", changed("/parameters/amount/minor", json!(0))),
                ("negative money", changed("/parameters/amount/minor", json!(-1))),
                (
                    "too much money",
                    changed("/parameters/amount/minor", json!(100_000_000_001_u64)),
                ),
                (
                    "beyond 2^53",
                    changed("/parameters/amount/minor", json!(9_007_199_254_740_993_u64)),
                ),
                (
                    "beyond 2^63",
                    changed("/parameters/amount/minor", json!(u64::MAX)),
                ),
                ("a claim as a float", changed("/claimed", json!({ "risk": 0.1 }))),
                (
                    "a claim beyond 2^53",
                    changed("/claimed", json!({ "risk": u64::MAX })),
                ),
                (
                    "an unknown parameter",
                    changed("/parameters/approver", json!("alice")),
                ),
                ("a parameter missing", without("/parameters/reference")),
                ("parameters as a list", changed("/parameters", json!([1, 2]))),
                ("parameters as null", changed("/parameters", Value::Null)),
                (
                    "a parameter as null",
                    changed("/parameters/reference", Value::Null),
                ),
                (
                    "a reference too long",
                    changed("/parameters/reference", json!("x".repeat(141))),
                ),
                ("neither parameters nor items", without("/parameters")),
                ("both", both),
                ("no items", items(json!([]))),
                ("an item twice", items(json!([one, one]))),
                ("501 items", items(json!(five_hundred_and_one))),
                (
                    "an expiry in the past",
                    changed("/expires_at", json!("2020-01-01T00:00:00Z")),
                ),
                (
                    "not before its own end",
                    changed("/not_before", json!("2100-01-01T00:00:00Z")),
                ),
                ("no reason", changed("/justification", json!(" \n\t"))),
                (
                    "a reason too long",
                    changed("/justification", json!("x".repeat(4_001))),
                ),
                (
                    "a plan too long",
                    changed("/rollback_plan", json!("x".repeat(4_001))),
                ),
                (
                    "an exception to no check",
                    changed("/exceptions", json!([{ "check": "pii", "reason": "Trust me." }])),
                ),
                (
                    "an exception for no reason",
                    changed("/exceptions", json!([{ "check": "text", "reason": " " }])),
                ),
                (
                    "a predecessor that is not theirs",
                    changed("/supersedes", json!("01JZZZZZZZZZZZZZZZZZZZZZZZ")),
                ),
                (
                    "a value passed off as sealed",
                    changed("/parameters/reference", json!({ "$sealed": "sha256:00" })),
                ),
                ("everything at once", many),
            ],
        )
        .await;
        insta::assert_snapshot!(text, @"");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_change_a_path_is_refused() {
    story(async |world| {
        let before = world.still();
        let tricks = [
            "..",
            "../../crm",
            "acme-ltd/../../crm",
            "acme/ltd",
            "acme\\ltd",
            "%2e%2e",
            "%2Fcrm",
            "acme%00",
            "acme-ltd\u{0}",
            "acme-ltd\n",
            "acme\u{2215}ltd",
            "acme\u{ff0f}ltd",
            "acme\u{2044}ltd",
            "\u{ff0e}\u{ff0e}",
            "acme\u{200b}-ltd",
            "acme\u{202e}-ltd",
            "acm\u{435}-ltd",
            "e\u{301}",
            "acme ltd",
            "acme-ltd?x=1",
            "acme-ltd#top",
            "{supplier_id}",
            "${params.iban}",
            "*",
            "",
            &"a".repeat(65),
        ];
        for trick in tricks {
            let (status, answer) = sent(
                world,
                "payments-agent",
                changed("/parameters/supplier_id", json!(trick)),
            )
            .await;
            assert_eq!(status, 422, "{trick:?}: {answer}");
            assert_eq!(
                answer["errors"][0]["field"], "/parameters/supplier_id",
                "{trick:?}: {answer}"
            );
            let said = answer.to_string();
            let hidden = |c: char| matches!(c, '\u{200b}' | '\u{202e}' | '\u{0}' | '\u{301}');
            assert!(!said.contains(hidden), "{trick:?}: {said:?}");
        }
        world.settle().await;
        assert_eq!(world.still(), before);
    })
    .await;
}

/// Without a pattern in the catalog the path itself still refuses them.
#[tokio::test(flavor = "multi_thread")]
async fn what_would_change_a_path_is_refused_even_when_the_schema_takes_it() {
    let open = crate::world::Setup {
        edits: vec![(
            "catalog.yaml",
            "supplier_id: { type: string, minLength: 1, maxLength: 64, pattern: \"^[A-Za-z0-9-]+$\" }",
            "supplier_id: { type: string }",
        )],
        ..crate::world::Setup::default()
    };
    crate::world::story_with(open, async |world| {
        let mut cases = Vec::new();
        for (what, value) in [
            ("two dots", ".."),
            ("one dot", "."),
            ("a slash", "acme/ltd"),
            ("a backslash", "acme\\ltd"),
            ("a percent sign", "%2e%2e"),
            ("NUL", "acme\u{0}"),
            ("a line's end", "acme\n"),
            ("a space", "acme ltd"),
            ("a hidden character", "acme\u{200b}"),
            ("right to left", "acme\u{202e}"),
            ("a tag character", "acme\u{e0041}"),
            ("another normal form", "e\u{301}"),
            ("nothing", ""),
        ] {
            cases.push((what, changed("/parameters/supplier_id", json!(value))));
        }
        let overlong = "a".repeat(129);
        cases.push(("too long", changed("/parameters/supplier_id", json!(overlong))));
        let text = answers(world, cases).await;
        insta::assert_snapshot!(text, @"");
    })
    .await;
}

/// Characters that nobody sees, or that mislead, and words that GitHub acts on.
const HOSTILE: &[(&str, &str)] = &[
    ("invisible", "in\u{200b}vis\u{2060}ible\u{feff}"),
    ("bidirectional", "safe\u{202e}txet\u{202c}\u{2066}x\u{2069}"),
    ("tag characters", "plain\u{e0041}\u{e0042}"),
    (
        "a comment of HTML",
        "<!-- approve this --> <details><summary>x</summary></details>",
    ),
    ("a mention", "ping @acme/finance and @alice"),
    ("a closing keyword", "fixes #1, closes acme/approvals#2"),
    (
        "an image",
        "![x](https://evil.example/x.png) <img src=https://evil.example/y>",
    ),
    ("a fence", "```\n## Approved by everyone\n````\n~~~"),
    ("a link", "[click](javascript:alert(1)) https://evil.example"),
    ("control characters", "a\u{7}b\u{1b}[2Jc"),
];

/// What is accepted is shown so that nothing of it acts or hides.
#[tokio::test(flavor = "multi_thread")]
async fn i26_hostile_words_are_refused_or_shown_escaped() {
    story(async |world| {
        let mut seen = String::new();
        for (what, words) in HOSTILE {
            for field in ["/justification", "/parameters/reference", "/rollback_plan"] {
                let before = world.still();
                let (status, answer) = sent(world, "payments-agent", changed(field, json!(words))).await;
                world.settle().await;
                if status != 202 {
                    assert_eq!(status, 422, "{what} in {field}: {answer}");
                    assert_eq!(world.still(), before, "{what} in {field}");
                    writeln!(seen, "{what} in {field}: {}", told(status, &answer)).unwrap();
                    continue;
                }
                let id = answer["id"].as_str().unwrap();
                let told = world.status("payments-agent", id).await;
                let number = told["pull_request"].as_u64().unwrap();
                let pull = world.github.pull(REPO, number).unwrap();
                let (title, body) = (pull["title"].as_str().unwrap(), pull["body"].as_str().unwrap());
                assert_harmless(what, field, body);
                let commit = format!("countersign/{id}");
                let message = git(
                    &world.github.git_dir(REPO).unwrap(),
                    &["log", "-1", "--format=%B", &commit],
                );
                for plain in [title, message.as_str()] {
                    assert_visible(what, field, plain);
                    assert_idle(what, field, plain);
                }
                let denied = world.entries().iter().any(|entry| {
                    entry["proposal"] == json!(id) && entry.to_string().contains(r#""level":"deny""#)
                });
                writeln!(
                    seen,
                    "{what} in {field}: shown{}",
                    if denied { ", gate shut" } else { "" }
                )
                .unwrap();
            }
        }
        assert_eq!(world.acted(), (0, 0));
        insta::assert_snapshot!(seen, @"");
    })
    .await;
}

fn assert_harmless(what: &str, field: &str, text: &str) {
    assert_visible(what, field, text);
    let html = rendered(text);
    for acting in [
        "<!--",
        "<img",
        "<details",
        "href=\"javascript",
        "<h2>Approved by everyone",
    ] {
        assert!(!html.contains(acting), "{what} in {field}: {acting} in\n{html}");
    }
    assert_idle(what, field, &outside_code(text));
}

fn assert_visible(what: &str, field: &str, text: &str) {
    let hidden = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
            || ('\u{e0000}'..='\u{e007f}').contains(&c)
    };
    assert!(!text.contains(hidden), "{what} in {field}:\n{text:?}");
}

/// Words that GitHub acts on wherever it looks for them.
fn assert_idle(what: &str, field: &str, words: &str) {
    for acting in ["@acme/finance and", "@alice", "fixes #1", "acme/approvals#2"] {
        assert!(!words.contains(acting), "{what} in {field}: {acting} in\n{words}");
    }
}

fn rendered(text: &str) -> String {
    let mut html = String::new();
    let parser = pulldown_cmark::Parser::new_ext(text, pulldown_cmark::Options::all());
    pulldown_cmark::html::push_html(&mut html, parser);
    html
}

/// The text that GitHub would look through for mentions and references.
fn outside_code(text: &str) -> String {
    use pulldown_cmark::{Event, Tag, TagEnd};
    let mut inside = false;
    let mut words = String::new();
    for event in pulldown_cmark::Parser::new_ext(text, pulldown_cmark::Options::all()) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => inside = true,
            Event::End(TagEnd::CodeBlock) => inside = false,
            Event::Text(text) if !inside => words.push_str(&text),
            Event::Html(text) | Event::InlineHtml(text) => words.push_str(&text),
            Event::SoftBreak | Event::HardBreak | Event::End(_) => words.push('\n'),
            _ => {}
        }
    }
    words
}

/// What can't be shown whole is refused before anything is recorded, never cut.
#[tokio::test(flavor = "multi_thread")]
async fn i26_what_is_too_large_to_show_is_refused() {
    story(async |world| {
        let before = world.still();
        let many: Vec<Value> = (0..500)
            .map(|id| {
                let mut parameters = campaign()["parameters"].clone();
                parameters["body"] = json!("x".repeat(1_500));
                json!({ "id": id.to_string(), "parameters": parameters })
            })
            .collect();
        let mut body = campaign();
        body.as_object_mut().unwrap().remove("parameters");
        body["items"] = json!(many);
        let (status, answer) = sent(world, "campaign-agent", body).await;
        assert_eq!(status, 422, "{answer}");
        let message = answer["errors"][0]["message"].as_str().unwrap();
        let message: String = message
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        insta::assert_snapshot!(message, @"");
        world.settle().await;
        assert_eq!(world.still(), before);
    })
    .await;
}

/// The target does not know it: the agent's mistake, and not the bot's failure.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_target_does_not_know_is_refused() {
    story(async |world| {
        let text = answers(
            world,
            vec![(
                "a supplier that is not there",
                changed("/parameters/supplier_id", json!("nobody-ltd")),
            )],
        )
        .await;
        let port = world.targets.bank().url().rsplit(':').next().unwrap().to_owned();
        insta::assert_snapshot!(text.replace(&port, "[port]"), @"");
    })
    .await;
}

/// JSON of any shape, and requests with any value in any place.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|float| json!(float)),
        ".{0,40}".prop_map(Value::from),
        prop_oneof![
            Just("payments.create"),
            Just("carol"),
            Just("acme-ltd"),
            Just("2030-01-01T00:00:00Z"),
            Just("../.."),
            Just("\u{202e}"),
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let name = prop_oneof![
            "[a-z_./~$]{0,12}",
            Just("minor".to_owned()),
            Just("currency".to_owned()),
            Just("parameters".to_owned()),
            Just("id".to_owned()),
            Just("check".to_owned()),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

const PLACES: &[&str] = &[
    "/operation",
    "/sponsor",
    "/parameters",
    "/parameters/supplier_id",
    "/parameters/amount",
    "/parameters/amount/minor",
    "/parameters/amount/currency",
    "/parameters/iban",
    "/parameters/extra",
    "/items",
    "/nonce",
    "/expires_at",
    "/not_before",
    "/idempotency_key",
    "/supersedes",
    "/claimed",
    "/justification",
    "/exceptions",
    "/rollback_plan",
    "/provenance",
    "/signature",
    "/another",
];

/// Whatever comes in, the door answers as a door does, and what it refuses leaves nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn no_json_breaks_the_door() {
    let mut runner = TestRunner::deterministic();
    let strategy = prop_oneof![
        anything(),
        (prop::sample::select(PLACES), anything()).prop_map(|(place, value)| changed(place, value)),
    ];
    let bodies: Vec<Value> = (0..400)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect();
    story(async |world| {
        let mut before = world.still();
        let mut accepted = 0;
        for body in bodies {
            let body = if body.is_object() {
                body
            } else {
                json!({ "operation": body })
            };
            let (status, answer) = sent(world, "payments-agent", body.clone()).await;
            if status == 202 {
                accepted += 1;
                world.settle().await;
                before = world.still();
                continue;
            }
            assert!((400..500).contains(&status), "{status} {answer} for {body}");
            assert!(
                answer["title"].is_string() && answer["detail"].is_string(),
                "{answer} for {body}"
            );
        }
        world.settle().await;
        assert_eq!(world.still(), before);
        assert_eq!(world.acted(), (0, 0));
        // Most are refused, and not all: the cases reach both sides.
        assert!(accepted > 0 && accepted < 100, "{accepted} were accepted");
    })
    .await;
}

/// Bytes that are no JSON and no YAML at all.
#[tokio::test(flavor = "multi_thread")]
async fn no_bytes_break_the_door() {
    let mut runner = TestRunner::deterministic();
    let strategy = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "[-\\[\\]{}:,&*!|>'\"%@`#? \\n\\ta-z0-9.<~]{0,200}".prop_map(String::into_bytes),
    ];
    let bodies: Vec<Vec<u8>> = (0..400)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect();
    story(async |world| {
        let before = world.still();
        for body in bodies {
            for kind in ["application/json", "application/yaml"] {
                let (status, answer) = world.send("payments-agent", "POST", PROPOSALS, kind, &body).await;
                assert_eq!(status, 400, "{answer} for {:?}", String::from_utf8_lossy(&body));
            }
        }
        assert_eq!(world.still(), before);
    })
    .await;
}
