//! What a target says it would do, asked before people are: shown to whoever approves, without effect, and never asked for
//! where nobody would read it. INVARIANT i10, i13, i26, i29.

mod target;

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    amend::next,
    world::{Opened, REPO, Setup, World, fresh, note, payment, story_with},
};
use target::{Front, Says};

const AT: &str = "    sensitive: [params.iban]    # sealed in Git, masked wherever people read\n";
const IBAN: &str = "DE89370400440532013000";

/// With the bank's own marker and all that a payment is made of.
const DRY_RUN: &str = "    sensitive: [params.iban]\n    dry_run:\n      http:\n        \
    url: https://bank.example/payments?dry_run=true\n        allow_private: true\n        timeout: 1s\n        body:\n          \
    supplier: ${params.supplier_id}\n          amount: ${params.amount}\n          reference: ${params.reference}\n          \
    iban: ${params.iban}\n        keep: { balance_after: /balance_after, fee: /fee, would: /would }\n";

/// Without what is sealed, and with a parameter beside the marker.
const BESIDE: &str = "    sensitive: [params.iban]\n    dry_run:\n      http:\n        \
    url: https://bank.example/payments?dry_run=true&reference={reference}\n        allow_private: true\n";

fn asking(front: &Front, dry_run: &'static str) -> Setup {
    Setup {
        edits: vec![("catalog.yaml", AT, dry_run)],
        bank_url: Some(front.url().to_owned()),
        ..Setup::default()
    }
}

/// A payment's story with a dry run of it.
async fn paying(dry_run: &'static str, tell: impl AsyncFnOnce(&mut World, &Front)) {
    let front = Front::start().await;
    story_with(asking(&front, dry_run), async |world| {
        front.before(world);
        tell(world, &front).await;
    })
    .await;
}

fn body_of(world: &World, of: &Opened) -> String {
    let pull = world.github.pull(REPO, of.pull).unwrap();
    pull["body"].as_str().unwrap().to_owned()
}

/// What approvers read under a heading.
fn section(body: &str, heading: &str) -> String {
    let (_, after) = body
        .split_once(&format!("### {heading}\n"))
        .unwrap_or_else(|| panic!("{body}"));
    after.split("\n### ").next().unwrap().trim().to_owned()
}

const HEADING: &str = "What the target says it would do";

#[tokio::test(flavor = "multi_thread")]
async fn i13_approvers_read_what_the_target_says_it_would_do_and_nothing_happened() {
    paying(DRY_RUN, async |world, front| {
        let payment = world.payment().await;
        let [asked] = &front.asked()[..] else {
            panic!("{:?}", front.asked())
        };
        assert_eq!(
            (
                asked.method.as_str(),
                asked.uri.as_str(),
                asked.key,
                asked.proposal.as_str(),
                &asked.authorization
            ),
            (
                "POST",
                "/payments?dry_run=true",
                false,
                payment.id.as_str(),
                &None
            )
        );
        assert_eq!(
            asked.body,
            json!({
                "supplier": "acme-ltd",
                "amount": { "minor": 1_250_000, "currency": "EUR" },
                "reference": "INV-2026-118",
                "iban": IBAN,
            })
        );
        let body = body_of(world, &payment);
        let shown = section(&body, HEADING);
        let (first, table) = shown.split_once("\n\n").unwrap();
        assert!(first.starts_with("Asked by Countersign at "), "{first}");
        assert!(
            first.ends_with("It answered 200: it would do it. Not asked again before it runs."),
            "{first}"
        );
        insta::assert_snapshot!(table, @r"
        | What | The target says |
        |---|---|
        | `balance_after` | `237,500.00 EUR` |
        | `fee` | `0.00 EUR` |
        | `would` | `pay 12,500.00 EUR to ACME Ltd` |
        ");
        assert!(!body.contains(IBAN));
        assert_eq!(world.acted(), (0, 0));
        let said = json!({
            "balance_after": "237,500.00 EUR",
            "fee": "0.00 EUR",
            "would": "pay 12,500.00 EUR to ACME Ltd",
        });
        let received = &world.about(&payment)[0];
        let recorded = &received["body"]["proposal"]["dry_runs"][0];
        assert_eq!((&recorded["status"], &recorded["said"]), (&json!(200), &said));
        let told = world.status("payments-agent", &payment.id).await;
        assert_eq!(told["dry_runs"][0]["said"], said);
        assert!(!received["body"].to_string().contains(IBAN));
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("executed", (1, 0))
        );
        // Right before the act the bank is not asked again: the act follows.
        assert_eq!(front.asked().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_what_the_target_would_refuse_is_put_before_nobody() {
    paying(DRY_RUN, async |world, front| {
        let still = world.still().await;
        let mut other = payment();
        other["parameters"]["iban"] = json!("NL91ABNA0417164300");
        let (status, answer) = world.propose("payments-agent", other).await;
        assert_eq!((status, &answer["errors"][0]["field"]), (422, &json!("/parameters")), "{answer:#}");
        let message = answer["errors"][0]["message"].as_str().unwrap();
        // The bank was told the account: it may repeat it in any form, so that nobody is told what it said.
        insta::assert_snapshot!(message, @"item `1`: `127.0.0.1` would refuse it: it answered 422 to a dry run; change what it refuses, and propose it anew");
        assert_eq!(front.asked().len(), 1);
        world.settle().await;
        assert_eq!(world.still().await, still);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i29_an_agent_reads_why_the_target_would_refuse_where_that_can_be_told() {
    paying(BESIDE, async |world, front| {
        let still = world.still().await;
        let long = "x".repeat(500);
        for (says, shown) in [
            (
                json!({ "error": "the balance does not cover it" }),
                ", and said `{\"error\":\"the balance does not cover it\"}`;",
            ),
            (
                json!({ "error": "`@here` \u{202e}\u{7}<img src=x>\n\n## Approved" }),
                "said `{\"error\":\"@here \\u0007<img src=x>\\n\\n## Approved\"}`;",
            ),
            (
                json!({ "error": "your token was ghp_0123456789abcdefghijABCDEFGHIJ012345" }),
                "answered 422 to a dry run;",
            ),
            (json!({ "error": long }), &"x".repeat(150)),
        ] {
            front.says(Says::Json(422, says.clone()));
            let (status, answer) = world.propose("payments-agent", payment()).await;
            let message = answer["errors"][0]["message"]
                .as_str()
                .unwrap_or_else(|| panic!("{answer:#}"));
            assert_eq!(status, 422);
            assert!(message.contains(shown), "{says}: {message}");
            assert!(message.chars().count() < 400, "{message}");
        }
        world.settle().await;
        assert_eq!(world.still().await, still);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_without_a_usable_answer_nothing_opens_and_the_agent_may_ask_again() {
    paying(DRY_RUN, async |world, front| {
        let still = world.still().await;
        let good = |more: Value| {
            let mut said = json!({ "balance_after": "1", "fee": "2", "would": "pay" });
            said.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            said
        };
        let mut large = good(json!({})).to_string().into_bytes();
        large.extend(vec![b' '; 10 * 1024 * 1024]);
        let big = "y".repeat(9_000);
        for (says, why) in [
            (Says::Json(500, json!({})), "answered 500 to a dry run"),
            (Says::Json(503, json!({})), "answered 503 to a dry run"),
            (Says::Json(401, json!({})), "answered 401 to a dry run"),
            (Says::Json(403, json!({})), "answered 403 to a dry run"),
            (Says::Json(429, json!({})), "answered 429 to a dry run"),
            (
                Says::Redirect("http://169.254.169.254/latest/meta-data/"),
                "answered 302 to a dry run",
            ),
            (Says::Redirect("/payments"), "answered 302 to a dry run"),
            (
                Says::Bytes(200, "text/html", b"<html>".to_vec()),
                "`Content-Type` is not",
            ),
            (
                Says::Bytes(200, "application/json", b"{\"fee\":1,\"fee\":2}".to_vec()),
                "twice",
            ),
            (Says::Bytes(200, "application/json", large), "larger than 1 MiB"),
            (
                Says::Json(200, json!({ "fee": "2" })),
                "nothing at `/balance_after`",
            ),
            (Says::Json(200, good(json!({ "fee": 0.5 }))), "no canonical form"),
            (Says::Json(200, good(json!({ "fee": big }))), "larger than 8 KiB"),
            (
                Says::Json(200, good(json!({ "would": format!("pay to {IBAN}") }))),
                "repeats a sensitive parameter",
            ),
            (Says::Silence, "did not answer in time"),
        ] {
            front.says(says);
            let (status, answer) = world.propose("payments-agent", payment()).await;
            let detail = answer["detail"].as_str().unwrap();
            assert!(
                status == 503 && detail.contains(why),
                "{why}: {status} {answer:#}"
            );
            assert!(!answer.to_string().contains(IBAN));
        }
        front.says(Says::Json(
            200,
            good(json!({ "fee": "ghp_0123456789abcdefghijABCDEFGHIJ012345" })),
        ));
        let (status, answer) = world.propose("payments-agent", payment()).await;
        assert_eq!(status, 422, "{answer:#}");
        assert!(!answer.to_string().contains("ghp_0123456789"), "{answer:#}");
        world.settle().await;
        assert_eq!(world.still().await, still);
        // As long as it is the same request, the same key makes one proposal of it.
        let mut again = payment();
        again["nonce"] = json!(fresh());
        front.says(Says::Json(500, json!({})));
        let (status, _) = world.propose("payments-agent", again.clone()).await;
        assert_eq!(status, 503);
        let payment = world.open("payments-agent", again).await;
        assert!(body_of(world, &payment).contains(HEADING));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i26_what_a_hostile_target_says_is_shown_and_does_nothing() {
    paying(DRY_RUN, async |world, front| {
        let hostile = "</td><img src=https://evil.example/x> @acme/treasury | closes #1 ``` --> \u{202e}\u{200b}\u{1b}[2J\n## Approved";
        front.says(Says::Json(200, json!({ "balance_after": hostile, "fee": { "a|b": hostile }, "would": [hostile, "`"] })));
        let payment = world.payment().await;
        let body = body_of(world, &payment);
        let shown = section(&body, HEADING);
        for c in ["\u{202e}", "\u{200b}", "\u{1b}"] {
            assert!(!body.contains(c), "{shown}");
        }
        insta::assert_snapshot!(shown.split_once("\n\n").unwrap().1, @r"
        | What | The target says |
        |---|---|
        | `balance_after` | 91 characters, in full below |
        | `fee.a\u{7c}b` | 91 characters, in full below |
        | `would.0` | 91 characters, in full below |
        | `would.1` | `` ` `` |

        `balance_after` in full:

        ````text
        </td><img src=https://evil.example/x> @acme/treasury | closes #1 ``` --> \u{202e}\u{200b}\u{1b}[2J
        ## Approved
        ````

        `fee.a\u{7c}b` in full:

        ````text
        </td><img src=https://evil.example/x> @acme/treasury | closes #1 ``` --> \u{202e}\u{200b}\u{1b}[2J
        ## Approved
        ````

        `would.0` in full:

        ````text
        </td><img src=https://evil.example/x> @acme/treasury | closes #1 ``` --> \u{202e}\u{200b}\u{1b}[2J
        ## Approved
        ````
        ");
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i23_a_parameter_does_not_get_out_of_its_place_beside_the_marker() {
    paying(BESIDE, async |world, front| {
        for attack in [
            "x&dry_run=false",
            "x#",
            "?dry_run=false&",
            "%26dry_run=false",
            "x&dry_run=false;dry_run=0",
            "x\r\nHost: evil",
            "x HTTP/1.1\n\n",
        ] {
            let mut body = payment();
            body["parameters"]["reference"] = json!(attack);
            front.says(Says::Json(200, json!({})));
            let before = front.asked().len();
            let (status, answer) = world.propose("payments-agent", body).await;
            assert_eq!(status, 202, "{attack}: {answer:#}");
            let asked = front.asked();
            assert_eq!(asked.len(), before + 1);
            let uri: url::Url = format!("http://bank{}", asked.last().unwrap().uri)
                .parse()
                .unwrap();
            let pairs: Vec<(String, String)> = uri.query_pairs().into_owned().collect();
            assert_eq!(
                pairs,
                [
                    ("dry_run".to_owned(), "true".to_owned()),
                    ("reference".to_owned(), attack.to_owned())
                ]
            );
        }
        world.settle().await;
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_about_what_is_done_at_once_nor_for_a_preview() {
    let front = Front::start().await;
    let mut setup = asking(&front, DRY_RUN);
    setup.edits.push((
        "catalog.yaml",
        "    describe: \"Note on customer {{ params.customer_id }}\"\n",
        "    describe: \"Note on customer {{ params.customer_id }}\"\n    dry_run: { http: { url: \"https://bank.example/notes?dry_run=true\", \
         allow_private: true } }\n",
    ));
    story_with(setup, async |world| {
        front.before(world);
        let (status, answer) = world.propose("support-agent", note()).await;
        assert_eq!((status, world.acted()), (201, (0, 1)), "{answer:#}");
        let request = world.request("payments-agent", payment());
        let path = "/api/v1/proposals?dry_run=true";
        let bytes = request.to_string();
        let (status, answer) = world
            .send(
                "payments-agent",
                "POST",
                path,
                "application/json",
                bytes.as_bytes(),
            )
            .await;
        assert_eq!(status, 200, "{answer:#}");
        assert!(front.asked().is_empty(), "{:?}", front.asked());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_what_people_amend_is_asked_anew() {
    paying(DRY_RUN, async |world, front| {
        let old = world.payment().await;
        world.comment("alice", &old, "/amend amount.minor=900000").await;
        let new = next(world, &old).await;
        let asked = front.asked();
        assert_eq!(asked.len(), 2);
        assert_eq!(
            (asked[1].proposal.as_str(), &asked[1].body["amount"]["minor"]),
            (new.id.as_str(), &json!(900_000))
        );
        assert!(section(&body_of(world, &new), HEADING).contains("241,000.00 EUR"));
        // What it would refuse makes no proposal; whoever asked for it reads why, and the old one stands.
        world.comment("bob", &new, "/amend amount.minor=90000000").await;
        let last = world.answers(&new).pop().unwrap();
        assert!(
            last.contains("would refuse it: it answered 422 to a dry run"),
            "{last}"
        );
        assert_eq!(world.state(&new).await, "open");
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_an_executor_apart_makes_the_same_text_of_the_record_and_asks_no_target() {
    let front = Front::start().await;
    let setup = Setup {
        role: Some(countersign::settings::Role::Gate),
        ..asking(&front, DRY_RUN)
    };
    story_with(setup, async |world| {
        front.before(world);
        let executor = world.apart(false).await;
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        for _ in 0..4 {
            executor.follow().await.unwrap();
            world.both_later(Duration::from_secs(61));
            world.settle().await;
        }
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("executed", (1, 0))
        );
        assert!(world.of_kind("incident").is_empty());
        assert_eq!(front.asked().len(), 1);
        executor.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_item_of_a_batch_is_asked_about_and_one_refusal_stops_it() {
    paying(DRY_RUN, async |world, front| {
        let batch = |minors: [i64; 2]| {
            let mut body = payment();
            let parameters = body.as_object_mut().unwrap().remove("parameters").unwrap();
            let item = |(id, minor): (&str, i64)| {
                let mut parameters = parameters.clone();
                parameters["amount"]["minor"] = json!(minor);
                json!({ "id": id, "parameters": parameters })
            };
            body["items"] = ["north", "south"].into_iter().zip(minors).map(item).collect();
            body
        };
        let still = world.still().await;
        let (status, answer) = world
            .propose("payments-agent", batch([100_000, 90_000_000]))
            .await;
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert!(
            status == 422 && message.starts_with("item `south`: `127.0.0.1` would refuse it"),
            "{answer:#}"
        );
        world.settle().await;
        assert_eq!(world.still().await, still);
        let payments = world.open("payments-agent", batch([100_000, 200_000])).await;
        assert_eq!(front.asked().len(), 4);
        let body = body_of(world, &payments);
        let (_, table) = section(&body, HEADING)
            .split_once("\n\n")
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        insta::assert_snapshot!(table, @r"
        | Item | What | The target says |
        |---|---|---|
        | `north` | `balance_after` | `249,000.00 EUR` |
        | `north` | `fee` | `0.00 EUR` |
        | `north` | `would` | `pay 1,000.00 EUR to ACME Ltd` |
        | `south` | `balance_after` | `248,000.00 EUR` |
        | `south` | `fee` | `0.00 EUR` |
        | `south` | `would` | `pay 2,000.00 EUR to ACME Ltd` |
        ");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_asked_no_more_than_its_bounds_allow() {
    let front = Front::start().await;
    let mut setup = asking(&front, DRY_RUN);
    let bounds = "\ntargets:\n  \"127.0.0.1\": { rate: 2, per: 1h }\nactions:\n";
    setup.edits.push(("catalog.yaml", "\nactions:\n", bounds));
    story_with(setup, async |world| {
        front.before(world);
        world.payment().await;
        let (status, answer) = world.propose("payments-agent", payment()).await;
        let detail = answer["detail"].as_str().unwrap();
        assert!(
            status == 503 && detail.contains("no room came in time for a dry run"),
            "{answer:#}"
        );
        assert_eq!(front.asked().len(), 1);
    })
    .await;
}

/// The gate's own secret, which opens dry runs and nothing else.
const WITH_SECRET: &str = "    sensitive: [params.iban]\n    dry_run:\n      http:\n        \
    url: https://bank.example/payments?dry_run=true\n        allow_private: true\n        \
    auth: { bearer: { env: COUNTERSIGN_SECRET_BANK_TRY } }\n        keep: { echo: /echo }\n";

#[tokio::test(flavor = "multi_thread")]
async fn i19_i29_a_dry_run_shows_the_gate_s_secret_and_no_answer_lets_it_out() {
    let secret = "try-4711-and-nothing-else";
    let front = Front::start().await;
    let setup = Setup {
        target_secrets: vec![("COUNTERSIGN_SECRET_BANK_TRY", secret)],
        ..asking(&front, WITH_SECRET)
    };
    story_with(setup, async |world| {
        front.before(world);
        front.says(Says::Json(200, json!({ "echo": format!("you sent {secret}") })));
        let payment = world.payment().await;
        let shown = Some(format!("Bearer {secret}"));
        assert_eq!(front.asked()[0].authorization, shown);
        let shown = section(&body_of(world, &payment), HEADING);
        assert!(shown.ends_with("| `echo` | `you sent [secret]` |"), "{shown}");
        assert!(!json!(world.entries()).to_string().contains(secret));
    })
    .await;
}
