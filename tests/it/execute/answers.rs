//! What an answer, or its absence, means.

use countersign::{
    cli::demo::targets::{Fault, Targets},
    domain::{entry::Outcome, ids::Digest},
    execute::Ending,
};
use serde_json::json;

use super::{
    act, act_on, claim, executed, now, policy, propose, run_with,
    server::{Raw, Script, say, say_with},
    told,
};

fn acting(url: &str, more: &str) -> String {
    format!(
        "method: POST\nurl: {url}/do/{{name}}\nallow_private: true\nbody: {{ name: \"${{params.name}}\", item: \"${{item.id}}\" }}\n{more}"
    )
}

const ONCE: &str = "idempotency_header: Idempotency-Key";

#[tokio::test]
async fn a_yes_is_executed_with_its_headers_and_a_salted_commitment() {
    let target = Raw::start(vec![say("201 Created", r#"{"id":1.5}"#)]).await;
    let ran = act(&policy(&acting(&target.url, ""), None), &[json!({"name": "a"})]).await;
    assert_eq!(told(&ran), "executed [executed: 201 Created]");
    let request = target.requests().remove(0).to_ascii_lowercase();
    let id = propose(&policy(&acting(&target.url, ""), None), &[json!({"name": "a"})])
        .await
        .id;
    for header in [
        "post /do/a http/1.1".to_owned(),
        format!("user-agent: countersign/{}", env!("CARGO_PKG_VERSION")),
        format!("idempotency-key: {id}/1").to_ascii_lowercase(),
        format!("countersign-proposal: {id}").to_ascii_lowercase(),
        "content-type: application/json".into(),
        "accept: application/json".into(),
    ] {
        assert!(request.contains(&header), "{header} in {request}");
    }
    assert!(!request.contains("referer") && !request.contains("cookie"));
    let (answer, step) = (ran.answers()[0].answer.as_ref().unwrap(), &ran.steps()[0]);
    assert_eq!(&ran.answers()[0].result, step);
    assert_eq!(step.response, Some(answer.commitment()));
    let mut salted = answer.salt().expose().to_vec();
    salted.extend_from_slice(answer.body());
    assert_eq!(step.response, Some(Digest::of(&salted)));
    assert_ne!(step.response, Some(Digest::of(answer.body())));
    assert_eq!(
        (step.status, answer.body()),
        (Some(201), br#"{"id":1.5}"#.as_slice())
    );
}

#[tokio::test]
async fn a_no_is_refused_and_its_body_is_not_told() {
    let target = Raw::start(vec![say(
        "422 Unprocessable Entity",
        r#"{"error":"private words"}"#,
    )])
    .await;
    let ran = act(&policy(&acting(&target.url, ONCE), None), &[json!({"name": "a"})]).await;
    assert_eq!(told(&ran), "refused [refused: 422 Unprocessable Entity]");
    assert_eq!(target.requests().len(), 1);
}

#[tokio::test]
async fn nobody_there_is_an_error_that_surely_did_not_run() {
    let target = Raw::start(vec![]).await;
    let url = target.url.clone();
    drop(target);
    let ran = act(&policy(&acting(&url, ONCE), None), &[json!({"name": "a"})]).await;
    assert!(
        told(&ran).starts_with("errored [errored: no connection to `127.0.0.1`"),
        "{}",
        told(&ran)
    );
    let ran = act(
        &policy(&acting("http://nowhere.localhost:1", ONCE), None),
        &[json!({"name": "a"})],
    )
    .await;
    assert!(
        told(&ran).starts_with("errored [errored: no connection to"),
        "{}",
        told(&ran)
    );
}

#[tokio::test]
async fn i21_an_unclear_call_is_never_repeated_without_the_catalog_s_promise() {
    let cases = [
        (
            say("500 Internal Server Error", "{}"),
            "answered 500 Internal Server Error",
        ),
        (say("409 Conflict", "{}"), "answered 409 Conflict"),
        (
            say("429 Too Many Requests", "{}"),
            "answered 429 Too Many Requests",
        ),
        (
            Script::Close,
            "`127.0.0.1` closed the connection before it answered",
        ),
        (
            Script::Say(b"HTTP/1.1 2".to_vec()),
            "`127.0.0.1` closed the connection before it answered",
        ),
        (
            Script::Say(b"nonsense\r\n\r\n".to_vec()),
            "`127.0.0.1` closed the connection before it answered",
        ),
        (Script::Silence, "`127.0.0.1` did not answer in time"),
    ];
    for (script, why) in cases {
        let target = Raw::start(vec![script, say("201 Created", "{}")]).await;
        let ran = act(
            &policy(&acting(&target.url, "timeout: 1s"), None),
            &[json!({"name": "a"})],
        )
        .await;
        assert_eq!(told(&ran), format!("unknown: item `1`: {why} []"));
        assert_eq!(target.requests().len(), 1, "{why}");
    }
}

#[tokio::test]
async fn i21_with_the_promise_it_is_repeated_with_the_same_key_a_few_times() {
    let target = Raw::start(vec![
        Script::Close,
        say("503 Service Unavailable", "{}"),
        say("201 Created", "{}"),
    ])
    .await;
    let ran = act(&policy(&acting(&target.url, ONCE), None), &[json!({"name": "a"})]).await;
    assert!(executed(&ran), "{}", told(&ran));
    let keys: Vec<String> = target
        .requests()
        .iter()
        .map(|request| {
            request
                .lines()
                .find(|line| line.to_ascii_lowercase().starts_with("idempotency-key"))
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| *key == keys[0]));

    let target = Raw::start(vec![say("500 Internal Server Error", "{}")]).await;
    let ran = act(&policy(&acting(&target.url, ONCE), None), &[json!({"name": "a"})]).await;
    assert_eq!(
        told(&ran),
        "unknown: item `1`: answered 500 Internal Server Error []"
    );
    assert_eq!(target.requests().len(), 3);

    // A "no" to the repetition does not tell what became of the first.
    let target = Raw::start(vec![Script::Close, say("404 Not Found", "{}")]).await;
    let ran = act(&policy(&acting(&target.url, ONCE), None), &[json!({"name": "a"})]).await;
    assert!(matches!(ran.ending(), Ending::Unknown { .. }), "{}", told(&ran));
    assert_eq!(target.requests().len(), 2);
}

#[tokio::test]
async fn i16_a_target_that_fails_after_acting_has_acted_once() {
    for fault in [Fault::FailBefore, Fault::FailAfter, Fault::DropAfter, Fault::Busy] {
        let targets = Targets::start().await.unwrap();
        targets.bank().fault(fault);
        let execute = format!(
            "method: POST\nurl: {}/payments\nallow_private: true\n{ONCE}\nbody: {{ supplier: acme-ltd, amount: {{ minor: 1250000, currency: EUR }}, reference: \"${{params.name}}\" }}",
            targets.bank().url()
        );
        let policy = policy(&execute, None);
        let ran = act(&policy, &[json!({"name": "a"})]).await;
        assert!(executed(&ran), "{fault:?}: {}", told(&ran));
        let effects = targets.bank().effects();
        assert_eq!(effects.len(), 1, "{fault:?}");
        assert_eq!(effects[0].what, "12,500.00 EUR paid to ACME Ltd, a");
        assert_eq!(targets.bank().state()["balance"]["minor"], 23_750_000);
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_or_broken_does_not_undo_its_status() {
    let large = format!("\"{}\"", "x".repeat(1024 * 1024));
    let target = Raw::start(vec![say("200 OK", &large)]).await;
    let ran = act(&policy(&acting(&target.url, ""), None), &[json!({"name": "a"})]).await;
    assert_eq!(
        told(&ran),
        "executed [executed: 200 OK; the answer is larger than 1 MiB and was not kept]"
    );
    assert!(ran.answers().is_empty() && ran.steps()[0].response.is_none());
    let broken = Script::Say(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\nhalf".to_vec());
    let target = Raw::start(vec![broken]).await;
    let ran = act(&policy(&acting(&target.url, ""), None), &[json!({"name": "a"})]).await;
    assert_eq!(
        told(&ran),
        "executed [executed: 201 Created; the answer broke off and was not kept]"
    );
}

#[tokio::test]
async fn i23_a_redirect_is_not_followed_and_is_not_an_answer() {
    let other = Raw::start(vec![say("200 OK", "{}")]).await;
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let target = Raw::start(vec![say_with(
            status,
            &format!("Location: {}/steal\r\n", other.url),
            "",
        )])
        .await;
        let ran = act(&policy(&acting(&target.url, ONCE), None), &[json!({"name": "a"})]).await;
        assert_eq!(
            told(&ran),
            format!("unknown: item `1`: answered {status}, and redirects are not followed []")
        );
        assert_eq!(target.requests().len(), 1);
    }
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn the_first_item_that_does_not_run_stops_the_others() {
    let items = [json!({"name": "a"}), json!({"name": "b"}), json!({"name": "c"})];
    let target = Raw::start(vec![
        say("201 Created", "{}"),
        say("403 Forbidden", "{}"),
        say("201 Created", "{}"),
    ])
    .await;
    let ran = act(&policy(&acting(&target.url, ""), None), &items).await;
    assert_eq!(
        told(&ran),
        "partial [executed: 201 Created; refused: 403 Forbidden; refused: not tried: item `2` did not run]"
    );
    assert_eq!(target.requests().len(), 2);
    let target = Raw::start(vec![say("201 Created", "{}"), Script::Close]).await;
    let ran = act(&policy(&acting(&target.url, ""), None), &items).await;
    assert!(
        told(&ran).starts_with("unknown: item `2`") && told(&ran).ends_with("[executed: 201 Created]"),
        "{}",
        told(&ran)
    );
}

#[tokio::test]
async fn i22_a_freeze_or_a_deadline_between_two_steps_stops_the_second() {
    let items = [json!({"name": "a"}), json!({"name": "b"})];
    let target = Raw::start(vec![say("201 Created", "{}")]).await;
    let policy = policy(&acting(&target.url, ""), None);
    let proposal = propose(&policy, &items).await;
    let frozen = || !target.requests().is_empty();
    let ran = run_with(&policy, claim(&policy, &proposal).unwrap(), &now, &frozen).await;
    assert_eq!(
        told(&ran),
        "partial [executed: 201 Created; refused: executions are frozen]"
    );

    let claimed = claim(&policy, &proposal).unwrap();
    let deadline = claimed.deadline();
    let clock = || {
        if target.requests().len() < 2 {
            now()
        } else {
            deadline
        }
    };
    let ran = run_with(&policy, claimed, &clock, &|| false).await;
    let late = format!("partial [executed: 201 Created; refused: it had to be begun before {deadline}]");
    assert_eq!(told(&ran), late);
    assert_eq!(target.requests().len(), 2);

    let early = || "2026-01-05T09:59:59Z".parse().unwrap();
    let ran = run_with(&policy, claim(&policy, &proposal).unwrap(), &early, &|| false).await;
    assert!(
        told(&ran).starts_with("refused [refused: it may not run before"),
        "{}",
        told(&ran)
    );
    assert_eq!(target.requests().len(), 2);
}

#[tokio::test]
async fn the_digest_of_a_request_is_the_same_for_the_same_plan() {
    let target = Raw::start(vec![say("201 Created", "{}")]).await;
    let policy = policy(&acting(&target.url, ""), None);
    let proposal = propose(&policy, &[json!({"name": "a"})]).await;
    let (one, two) = (act_on(&policy, &proposal).await, act_on(&policy, &proposal).await);
    assert_eq!(one.steps()[0].request, two.steps()[0].request);
    assert_ne!(
        one.steps()[0].response,
        two.steps()[0].response,
        "every answer has a salt of its own"
    );
    assert_eq!(one.steps()[0].outcome, Outcome::Executed);
}
