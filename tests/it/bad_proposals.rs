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
    let before = world.still().await;
    let mut text = String::new();
    for (what, body) in cases {
        let (status, answer) = sent(world, "payments-agent", body).await;
        assert!((400..500).contains(&status), "{what}: {status} {answer}");
        writeln!(text, "{what}: {}", told(status, &answer)).unwrap();
    }
    world.settle().await;
    assert_eq!(world.still().await, before);
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_json_is_refused_by_place() {
    story(async |world| {
        let before = world.still().await;
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
        assert_eq!(world.still().await, before);
        insta::assert_snapshot!(text, @r##"
        nothing: 400 unreadable
            proposal.json:1:1: EOF while parsing a value
        blank: 400 unreadable
            proposal.json:2:1: EOF while parsing a value
        cut off: 400 unreadable
            proposal.json:1:31: EOF while parsing an object
        a list: 400 unreadable
            proposal.json: expected a mapping, found a list
        a text: 400 unreadable
            proposal.json: expected a mapping, found the text `pay`
        null: 400 unreadable
            proposal.json: expected a mapping, found nothing
        a number: 400 unreadable
            proposal.json: expected a mapping, found `7`
        empty: 400 unreadable
            /operation: proposal.json: the field `operation` is missing
        two documents: 400 unreadable
            proposal.json:1:4: trailing characters
        a trailing comma: 400 unreadable
            proposal.json:1:33: trailing comma
        a key twice: 400 unreadable
            proposal.json:1:44: the key `operation` appears twice; keep one
        a key twice, escaped: 400 unreadable
            proposal.json:1:35: the key `sponsor` appears twice; keep one
        a key twice, deep: 400 unreadable
            proposal.json:1:46: the key `minor` appears twice; keep one
        NaN: 400 unreadable
            proposal.json:1:26: expected value
        Infinity: 400 unreadable
            proposal.json:1:26: expected value
        a number beyond all: 400 unreadable
            proposal.json:1:30: number out of range
        half a surrogate: 400 unreadable
            proposal.json:1:22: unexpected end of hex escape
        a control character: 400 unreadable
            proposal.json:1:17: control character (\u0000-\u001F) found while parsing a string
        not UTF-8: 400 unreadable
            not UTF-8 at byte 15
        a byte order mark: 400 unreadable
            proposal.json:1:1: expected value
        nested deeply: 400 unreadable
            proposal.json:1:128: recursion limit exceeded
        nested beyond all: 400 unreadable
            proposal.json:1:128: recursion limit exceeded
        "##);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_strict_yaml_is_refused_by_place() {
    story(async |world| {
        let before = world.still().await;
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
        assert_eq!(world.still().await, before);
        insta::assert_snapshot!(text, @r##"
        a tab: 400 unreadable
            proposal.yaml:2:2: tabs disallowed within this context (block indentation)
        cut off: 400 unreadable
            proposal.yaml:1:12: unclosed bracket '['
        a key twice: 400 unreadable
            proposal.yaml:3:1: the key `operation` appears twice; keep one
        a key twice, deep: 400 unreadable
            proposal.yaml:2:23: the key `minor` appears twice; keep one
        a merge key: 400 unreadable
            proposal.yaml:2:1: merge keys (`<<`) are not allowed; write the fields out
        two documents: 400 unreadable
            proposal.yaml:2:1: more than one document in the file; keep one and remove the `---`
        a bomb of aliases: 400 unreadable
            proposal.yaml:1:23: too many aliases; write the values out
        an alias of itself: 400 unreadable
            proposal.yaml:1:8: recursive references require weak recursion types
        an alias of nothing: 400 unreadable
            proposal.yaml:1:12: alias references unknown anchor
        a tag: 400 unreadable
            proposal.yaml:1:38: unsupported tag `!!python/object:os.system`
        nested deeply: 400 unreadable
            proposal.yaml:33:33: nested deeper than 32 levels; flatten it
        nested in a line: 400 unreadable
            proposal.yaml:1:256: recursion limit exceeded
        not a number: 400 unreadable
            proposal.yaml:1:22: non-finite float `.nan` rejected by the configured policy
        infinite: 400 unreadable
            proposal.yaml:1:22: non-finite float `.inf` rejected by the configured policy
        a control character: 400 unreadable
            proposal.yaml:1:14: unexpected character: `\u{1}'
        a list: 400 unreadable
            proposal.yaml:1:1: expected a mapping, found a list
        an unknown field: 400 unreadable
            /sponser: proposal.yaml:2:1: unknown field `sponser`; did you mean `sponsor`?
        a wrong type: 400 unreadable
            /sponsor: proposal.yaml:2:10: expected text, found a list
        a boolean by its name: 400 unreadable
            /nonce: proposal.yaml:3:8: `off` is not a nonce: 16 to 128 letters, digits, `-` and `_`
        "##);
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
        insta::assert_snapshot!(text, @r##"
        no operation: 400 unreadable
            /operation: proposal.json: the field `operation` is missing
        no sponsor: 400 unreadable
            /sponsor: proposal.json: the field `sponsor` is missing
        no justification: 400 unreadable
            /justification: proposal.json: the field `justification` is missing
        an unknown field: 400 unreadable
            /sponser: proposal.json: unknown field `sponser`; did you mean `sponsor`?
        an unknown field, like none: 400 unreadable
            /approved_by: proposal.json: unknown field `approved_by`; the fields here are `operation`, `sponsor`, `parameters`, `items`, `nonce`, `expires_at`, `not_before`, `idempotency_key`, `supersedes`, `claimed`, `justification`, `exceptions`, `rollback_plan`, `provenance`, `signature`
        a field of the bot's own: 400 unreadable
            /tier: proposal.json: unknown field `tier`; the fields here are `operation`, `sponsor`, `parameters`, `items`, `nonce`, `expires_at`, `not_before`, `idempotency_key`, `supersedes`, `claimed`, `justification`, `exceptions`, `rollback_plan`, `provenance`, `signature`
        operation as a number: 400 unreadable
            /operation: proposal.json: expected text, found `7`
        operation without a dot: 400 unreadable
            /operation: proposal.json: `pay` is not an action name: two or more lower-case words joined by dots, as in `payments.create`, 80 characters at most
        operation with a path: 400 unreadable
            /operation: proposal.json: `payments/../crm.note` is not an action name: two or more lower-case words joined by dots, as in `payments.create`, 80 characters at most
        sponsor as a list: 400 unreadable
            /sponsor: proposal.json: expected text, found a list
        sponsor as null: 400 unreadable
            /sponsor: proposal.json: expected text, found nothing
        sponsor with hidden characters: 400 unreadable
            /sponsor: proposal.json: `ca\u{200b}rol` is not a person's name: a lower-case letter, then letters, digits, `-` and `_`, 40 characters at most
        items as a mapping: 400 unreadable
            /items: proposal.json: expected a list, found a mapping
        an item without an id: 400 unreadable
            /items/0/id: proposal.json: the field `id` is missing
        an item's id with a path: 400 unreadable
            /items/0/id: proposal.json: `../1` is not an item id: letters, digits, `-`, `_` and `.`, 40 characters at most
        an item with more: 400 unreadable
            /items/0/approve: proposal.json: unknown field `approve`; the fields here are `id`, `parameters`
        a short nonce: 400 unreadable
            /nonce: proposal.json: `short` is not a nonce: 16 to 128 letters, digits, `-` and `_`
        an expiry in words: 400 unreadable
            /expires_at: proposal.json: `tomorrow` is not a time: RFC 3339 with a zone, as in `2026-11-22T15:33:08Z`
        an expiry as a number: 400 unreadable
            /expires_at: proposal.json: expected text, found `1800000000`
        claims as a list: 400 unreadable
            /claimed: proposal.json: expected a mapping, found a list
        a predecessor that is no id: 400 unreadable
            /supersedes: proposal.json: `the other one` is not a proposal id: a ULID of 26 capital letters and digits
        an exception without a reason: 400 unreadable
            /exceptions/0/reason: proposal.json: the field `reason` is missing
        provenance with more: 400 unreadable
            /provenance/model: proposal.json: unknown field `model`; the fields here are `traceparent`, `gen_ai.agent.id`, `gen_ai.request.model`, `gen_ai.conversation.id`, `gen_ai.tool.call.id`, `prompt`, `output`
        "##);
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
        insta::assert_snapshot!(text, @r##"
        an action that is not there: 422 invalid-proposal
            /operation: the catalog has no action `payments.creat`; did you mean `payments.create`?
        an action like none: 422 invalid-proposal
            /operation: the catalog has no action `world.dominate`; agent `payments-agent` may propose `payments.create`
        an action that is not theirs: 422 invalid-proposal
            /operation: agent `payments-agent` may not propose it; it may propose `payments.create`
        another agent's sponsor: 422 invalid-proposal
            /sponsor: `erin` is not the sponsor of agent `payments-agent`; send `carol`
        a sponsor that is nobody: 422 invalid-proposal
            /sponsor: `root` is not the sponsor of agent `payments-agent`; send `carol`
        money as a float: 422 invalid-proposal
            /parameters/amount/minor: `/parameters/amount/minor` is a float; write whole numbers, money in minor units (`1250000` for 12,500.00)
        money as a whole float: 422 invalid-proposal
            /parameters/amount/minor: `/parameters/amount/minor` is a float; write whole numbers, money in minor units (`1250000` for 12,500.00)
        money as text: 422 invalid-proposal
            /parameters/amount/minor: the value is not of type `integer`
        money without a currency: 422 invalid-proposal
            /parameters/amount/currency: the parameter `currency` is missing
        no money: 422 invalid-proposal
            /parameters/amount/minor: the value is less than the minimum of 1
        negative money: 422 invalid-proposal
            /parameters/amount/minor: the value is less than the minimum of 1
        too much money: 422 invalid-proposal
            /parameters/amount/minor: the value is greater than the maximum of 100000000000
        beyond 2^53: 422 invalid-proposal
            /parameters/amount/minor: `/parameters/amount/minor` is beyond 2^53 - 1; write it as a string
        beyond 2^63: 422 invalid-proposal
            /parameters/amount/minor: `/parameters/amount/minor` is beyond 2^53 - 1; write it as a string
        a claim as a float: 422 invalid-proposal
            /claimed: `/claimed/risk` is a float; write whole numbers, money in minor units (`1250000` for 12,500.00)
        a claim beyond 2^53: 422 invalid-proposal
            /claimed: `/claimed/risk` is beyond 2^53 - 1; write it as a string
        an unknown parameter: 422 invalid-proposal
            /parameters/approver: unknown parameter `approver`
        a parameter missing: 422 invalid-proposal
            /parameters/reference: the parameter `reference` is missing
        parameters as a list: 422 invalid-proposal
            /parameters: the value is not of type `object`
        parameters as null: 422 invalid-proposal
            /items: give either `parameters` (one item) or `items` (several); none is there
        a parameter as null: 422 invalid-proposal
            /parameters/reference: the value is not of type `string`
        a reference too long: 422 invalid-proposal
            /parameters/reference: the value is longer than 140 characters
        neither parameters nor items: 422 invalid-proposal
            /items: give either `parameters` (one item) or `items` (several); none is there
        both: 422 invalid-proposal
            /items: give either `parameters` (one item) or `items` (several); both are there
        no items: 422 invalid-proposal
            /items: give either `parameters` (one item) or `items` (several); none is there
        an item twice: 422 invalid-proposal
            /items/1/id: `1` stands twice; ids differ
        501 items: 422 invalid-proposal
            /items: holds 501; send 500 at most
        an expiry in the past: 422 invalid-proposal
            /expires_at: has passed already; send a later time or none
        not before its own end: 422 invalid-proposal
            /not_before: `2100-01-01T00:00:00.000Z` is after the proposal can no longer be approved; send an earlier time
        no reason: 422 invalid-proposal
            /justification: is empty; say in a sentence why this should be done
        a reason too long: 422 invalid-proposal
            /justification: is longer than 4000 characters; shorten it
        a plan too long: 422 invalid-proposal
            /rollback_plan: is longer than 4000 characters; shorten it
        an exception to no check: 422 invalid-proposal
            /exceptions/0/check: `pii` is no check of `payments.create`; its checks are `text`
        an exception for no reason: 422 invalid-proposal
            /exceptions/0/reason: is empty; say in a sentence why the check should not hold here
        a predecessor that is not theirs: 422 invalid-proposal
            /supersedes: agent `payments-agent` has no proposal 01JZZZZZZZZZZZZZZZZZZZZZZZ; send the id of one of its own, or none
        a value passed off as sealed: 422 invalid-proposal
            /parameters/reference: the value is not of type `string`
        everything at once: 422 invalid-proposal
            /sponsor: `alice` is not the sponsor of agent `payments-agent`; send `carol`
            /justification: is empty; say in a sentence why this should be done
            /parameters/amount/currency: the value does not match `^[A-Z]{3}$`
            /parameters/amount/minor: the value is not of type `integer`
            /parameters/reference: the parameter `reference` is missing
            /parameters/supplier_id: the value is shorter than 1 character
            /parameters/supplier_id: the value does not match `^[A-Za-z0-9-]+$`
        "##);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_change_a_path_is_refused() {
    story(async |world| {
        let before = world.still().await;
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
        assert_eq!(world.still().await, before);
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
        insta::assert_snapshot!(text, @r##"
        two dots: 422 invalid-proposal
            /parameters/supplier_id: `params.supplier_id` has a `.` or `..` that would change the path
        one dot: 422 invalid-proposal
            /parameters/supplier_id: `params.supplier_id` has a `.` or `..` that would change the path
        a slash: 422 invalid-proposal
            /parameters/supplier_id: `params.supplier_id` contains `/`, `\` or `%`, which would change the path
        a backslash: 422 invalid-proposal
            /parameters/supplier_id: `params.supplier_id` contains `/`, `\` or `%`, which would change the path
        a percent sign: 422 invalid-proposal
            /parameters/supplier_id: `params.supplier_id` contains `/`, `\` or `%`, which would change the path
        NUL: 422 invalid-proposal
            /parameters/supplier_id: `params.supplier_id` contains a space, a control or an invisible character, which a path can't hold
        a line's end: 422 invalid-proposal
            /parameters/supplier_id: `params.supplier_id` contains a space, a control or an invisible character, which a path can't hold
        a space: 422 invalid-proposal
            /parameters/supplier_id: `params.supplier_id` contains a space, a control or an invisible character, which a path can't hold
        a hidden character: 422 invalid-proposal
            /parameters/supplier_id: `params.supplier_id` contains a space, a control or an invisible character, which a path can't hold
        right to left: 422 invalid-proposal
            /parameters/supplier_id: `params.supplier_id` contains a space, a control or an invisible character, which a path can't hold
        a tag character: 422 invalid-proposal
            /parameters/supplier_id: `params.supplier_id` contains a space, a control or an invisible character, which a path can't hold
        another normal form: 422 invalid-proposal
            /parameters/supplier_id: `params.supplier_id` is not in Unicode normal form NFC, so that two spellings would look alike
        nothing: 422 invalid-proposal
            /parameters/supplier_id: `params.supplier_id` is empty; a path needs it
        too long: 422 invalid-proposal
            /parameters/supplier_id: `params.supplier_id` is longer than 128 bytes, too long for a path
        "##);
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
                let before = world.still().await;
                let (status, answer) = sent(world, "payments-agent", changed(field, json!(words))).await;
                world.settle().await;
                if status != 202 {
                    assert_eq!(status, 422, "{what} in {field}: {answer}");
                    assert_eq!(world.still().await, before, "{what} in {field}");
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
        for subject in world.subjects() {
            assert_visible("all of them", "a subject of the ledger", &subject);
            assert_idle("all of them", "a subject of the ledger", &subject);
        }
        insta::assert_snapshot!(seen, @r##"
        invisible in /justification: shown, gate shut
        invisible in /parameters/reference: shown, gate shut
        invisible in /rollback_plan: shown, gate shut
        bidirectional in /justification: shown, gate shut
        bidirectional in /parameters/reference: shown, gate shut
        bidirectional in /rollback_plan: shown, gate shut
        tag characters in /justification: shown, gate shut
        tag characters in /parameters/reference: shown, gate shut
        tag characters in /rollback_plan: shown, gate shut
        a comment of HTML in /justification: shown
        a comment of HTML in /parameters/reference: shown
        a comment of HTML in /rollback_plan: shown
        a mention in /justification: shown
        a mention in /parameters/reference: shown
        a mention in /rollback_plan: shown
        a closing keyword in /justification: shown
        a closing keyword in /parameters/reference: shown
        a closing keyword in /rollback_plan: shown
        an image in /justification: shown
        an image in /parameters/reference: shown
        an image in /rollback_plan: shown
        a fence in /justification: shown
        a fence in /parameters/reference: shown
        a fence in /rollback_plan: shown
        a link in /justification: shown
        a link in /parameters/reference: shown
        a link in /rollback_plan: shown
        control characters in /justification: shown, gate shut
        control characters in /parameters/reference: shown, gate shut
        control characters in /rollback_plan: shown, gate shut
        "##);
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
        let before = world.still().await;
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
        insta::assert_snapshot!(message, @"`report.md` has 000000 characters and GitHub takes 00000; split the proposal into smaller ones");
        world.settle().await;
        assert_eq!(world.still().await, before);
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
        insta::assert_snapshot!(text.replace(&port, "[port]"), @r##"
        a supplier that is not there: 422 invalid-proposal
            /parameters: item `1`: `127.0.0.1` answered 404 to the observation; 200 is expected; check that what the parameters name is there
        "##);
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
        let mut before = world.still().await;
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
                before = world.still().await;
                continue;
            }
            assert!((400..500).contains(&status), "{status} {answer} for {body}");
            assert!(
                answer["title"].is_string() && answer["detail"].is_string(),
                "{answer} for {body}"
            );
        }
        world.settle().await;
        assert_eq!(world.still().await, before);
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
        let before = world.still().await;
        for body in bodies {
            for kind in ["application/json", "application/yaml"] {
                let (status, answer) = world.send("payments-agent", "POST", PROPOSALS, kind, &body).await;
                assert_eq!(status, 400, "{answer} for {:?}", String::from_utf8_lossy(&body));
            }
        }
        assert_eq!(world.still().await, before);
    })
    .await;
}
