//! What the connector reads, and that it must be the same right before the act.

use countersign::{
    cli::demo::targets::Targets,
    domain::proposal::{ObservedFacts, Precondition},
    execute::{Client, ObserveError, Tools, Unfit, observe, preflight},
};
use serde_json::{Value, json};

use super::{
    act_on, claim, commands, executed, key, no_ledger, now, policy, propose, run_with,
    server::{Raw, Script, say, say_with},
    told,
};

fn observing(url: &str) -> String {
    format!(
        "method: GET\nurl: {url}/look/{{name}}\nallow_private: true\ntimeout: 1s\nbefore: /before\nafter: /after\naffected: {{ count: /count, audience: /audience, deltas: /deltas, sample: /sample }}"
    )
}

fn answer() -> Value {
    json!({"before": {"a": 1}, "after": {"a": 2}, "count": 3, "audience": "three people", "deltas": {"a": "+1"}, "sample": [{"id": 1}]})
}

async fn look(script: Script) -> Result<ObservedFacts, ObserveError> {
    let target = Raw::start(vec![script]).await;
    let policy = policy(
        "method: POST\nurl: https://a.example/do",
        Some(&observing(&target.url)),
    );
    let action = policy.action(&"things.do".parse().unwrap()).unwrap();
    let item = countersign::domain::receive::ClearItem {
        id: "1".parse().unwrap(),
        parameters: json!({"name": "x", "secret": "DE89370400440532013000"}),
        defaulted: Vec::new(),
    };
    let id = countersign::domain::ids::ProposalId::from_parts(now(), 1);
    observe(&Client::new().unwrap(), action, id, &item)
        .await
        .map(Option::unwrap)
}

#[tokio::test]
async fn an_answer_becomes_facts_with_a_precondition() {
    let facts = look(say("200 OK", &answer().to_string())).await.unwrap();
    assert_eq!(
        (&facts.before, facts.after.as_ref()),
        (&json!({"a": 1}), Some(&json!({"a": 2})))
    );
    assert_eq!(
        (facts.affected.count, facts.affected.audience.as_deref()),
        (Some(3), Some("three people"))
    );
    assert_eq!(facts.affected.sample, [json!({"id": 1})]);
    assert!(matches!(facts.precondition, Some(Precondition::Digest(_))));
    let tagged = look(say_with("200 OK", "ETag: \"v7\"\r\n", &answer().to_string()))
        .await
        .unwrap();
    assert_eq!(tagged.precondition, Some(Precondition::Etag("\"v7\"".into())));
    let weak = look(say_with("200 OK", "ETag: W/\"v7\"\r\n", &answer().to_string()))
        .await
        .unwrap();
    assert!(
        matches!(weak.precondition, Some(Precondition::Digest(_))),
        "a weak tag says only that it is about the same"
    );
}

#[tokio::test]
async fn i13_what_can_t_be_read_exactly_is_refused_with_its_reason() {
    let with = |field: &str, value: Value| {
        let mut answer = answer();
        answer[field] = value;
        say("200 OK", &answer.to_string())
    };
    let mut without = answer();
    without.as_object_mut().unwrap().remove("after");
    let deep = format!("{}{}", "[".repeat(80), "]".repeat(80));
    let cases = [
        (
            with("before", json!({"a": 1.5})),
            "is a float; write whole numbers",
        ),
        (with("other", json!(0.1)), "is a float"),
        (
            with("before", json!("x".repeat(70_000))),
            "the answer's `/before` can't be `before`: 64 KiB at most",
        ),
        (
            with("sample", json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])),
            "`/sample` can't be `sample`: a list of 10 records at most",
        ),
        (with("sample", json!("all")), "a list of 10 records at most"),
        (with("count", json!(-1)), "a whole number, not below 0"),
        (with("count", json!("3")), "a whole number, not below 0"),
        (with("audience", json!(["x"])), "a text of 500 characters at most"),
        (with("deltas", json!({"a": [1]})), "up to 50 names"),
        (
            with(
                "deltas",
                (0..51)
                    .map(|n| (n.to_string(), json!(n)))
                    .collect::<serde_json::Map<_, _>>()
                    .into(),
            ),
            "up to 50 names",
        ),
        (
            with("sample", json!([{"account": "DE89370400440532013000"}])),
            "`sample` repeats a sensitive parameter",
        ),
        (
            with("audience", json!("of DE89370400440532013000")),
            "`audience` repeats a sensitive parameter",
        ),
        (
            say("200 OK", &without.to_string()),
            "the answer has nothing at `/after`, which the catalog names as `after`",
        ),
        (say("200 OK", r#"{"before":1,"before":2}"#), "before"),
        (say("200 OK", &deep), "answer.json"),
        (say("200 OK", "<html>"), "answer.json"),
        (
            say("404 Not Found", "{}"),
            "`127.0.0.1` answered 404 to the observation",
        ),
        (
            say_with("302 Found", "Location: /there\r\n", "{}"),
            "answered 302 to the observation",
        ),
        (
            Script::Say(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n{}".to_vec(),
            ),
            "not `application/json`",
        ),
        (
            Script::Say(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{}".to_vec(),
            ),
            "the answer broke off",
        ),
        (
            say("200 OK", &format!("\"{}\"", "x".repeat(1 << 20))),
            "the answer is larger than 1 MiB",
        ),
        (Script::Close, "closed the connection before it answered"),
        (Script::Silence, "did not answer in time"),
    ];
    for (script, why) in cases {
        let error = look(script).await.unwrap_err().to_string();
        assert!(error.contains(why), "{why}: {error}");
        assert!(!error.contains("DE8937"), "{error}");
    }
}

#[tokio::test]
async fn i13_other_facts_than_the_approved_ones_refuse_before_anything_is_sent() {
    let acting = Raw::start(vec![say("201 Created", "{}")]).await;
    let execute = format!("method: POST\nurl: {}/do\nallow_private: true", acting.url);
    let mut moved = answer();
    moved["before"] = json!({"a": 5});
    let mut other = answer();
    other["elsewhere"] = json!(true);
    let same = say("200 OK", &answer().to_string());
    let cases = [
        (same.clone(), "executed [executed: 201 Created]"),
        (
            say("200 OK", &moved.to_string()),
            "refused [refused: `before` of what was observed is not what was approved]",
        ),
        (
            say("200 OK", &other.to_string()),
            "refused [refused: `precondition` of what was observed is not what was approved]",
        ),
        (
            say_with("200 OK", "ETag: \"v2\"\r\n", &answer().to_string()),
            "refused [refused: `precondition` of what was observed is not what was approved]",
        ),
        (
            say("500 Internal Server Error", "{}"),
            "errored [errored: could not observe again: `127.0.0.1` answered 500 to the observation; 200 is expected]",
        ),
        (
            Script::Close,
            "errored [errored: could not observe again: `127.0.0.1` closed the connection before it answered]",
        ),
    ];
    for (script, expected) in cases {
        let sent = acting.requests().len();
        let target = Raw::start(vec![same.clone(), script]).await;
        let policy = policy(&execute, Some(&observing(&target.url)));
        let proposal = propose(&policy, &[json!({"name": "x"})]).await;
        let ran = act_on(&policy, &proposal).await;
        assert_eq!(told(&ran), expected);
        assert_eq!(target.requests().len(), 2);
        assert_eq!(acting.requests().len(), sent + usize::from(executed(&ran)));
    }
}

#[tokio::test]
async fn i15_the_pre_flight_tells_what_the_execution_would_refuse() {
    let target = Raw::start(vec![
        say("200 OK", &answer().to_string()),
        say("200 OK", &answer().to_string()),
        say("200 OK", "{}"),
    ])
    .await;
    let policy = policy(
        "method: POST\nurl: https://a.example/do",
        Some(&observing(&target.url)),
    );
    let proposal = propose(&policy, &[json!({"name": "x"})]).await;
    let (client, key) = (Client::new().unwrap(), key());
    let tools = Tools {
        client: &client,
        commands: commands(),
        workflows: &crate::execute::workflows::Nowhere,
        policy: &policy,
        key: Some(&key),
        signature: None,
        clock: &now,
        frozen: &|| false,
        thaw: &|freeze| no_ledger(freeze),
    };
    assert_eq!(
        preflight(&proposal, proposal.binding.items.iter(), &tools).await,
        Ok(())
    );
    let refused = preflight(&proposal, proposal.binding.items.iter(), &tools)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, Unfit::Observe(ObserveError::Missing { .. })),
        "{refused}"
    );
}

#[tokio::test]
async fn the_demo_s_previews_are_read_and_change_with_what_they_preview() {
    let targets = Targets::start().await.unwrap();
    let (bank, crm) = (targets.bank().url(), targets.crm().url());
    let execute = format!(
        "method: POST\nurl: {bank}/payments\nallow_private: true\nidempotency_header: Idempotency-Key\nbody: {{ supplier: \"${{params.name}}\", amount: {{ minor: 1250000, currency: EUR }}, reference: r }}"
    );
    let preview = format!(
        "method: GET\nurl: {bank}/suppliers/{{name}}/preview?minor=1250000&currency=EUR\nallow_private: true\nbefore: /before\nafter: /after\naffected: {{ count: /count, audience: /audience, deltas: /deltas, sample: /sample }}"
    );
    let policy = policy(&execute, Some(&preview));
    let proposal = propose(&policy, &[json!({"name": "acme-ltd"})]).await;
    let seen = &proposal.observed[0].facts;
    assert_eq!(
        seen.affected.audience.as_deref(),
        Some("ACME Ltd, Hamburg, account ending 3000")
    );
    assert_eq!(seen.affected.deltas["ACME Ltd"], "+12,500.00 EUR");
    assert!(matches!(seen.precondition, Some(Precondition::Etag(_))));
    let (first, second) = (
        claim(&policy, &proposal).unwrap(),
        claim(&policy, &proposal).unwrap(),
    );
    assert!(executed(&run_with(&policy, first, &now, &|| false).await));
    let again = run_with(&policy, second, &now, &|| false).await;
    assert_eq!(
        told(&again),
        "refused [refused: `before` of what was observed is not what was approved]"
    );
    assert_eq!(targets.bank().effects().len(), 1);
    assert_eq!(targets.bank().asked(), 1);

    for (url, needle) in [(bank, "12,500.00 EUR"), (crm, "customers in Germany")] {
        let html = reqwest::get(format!("{url}/"))
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        assert!(html.contains(needle), "{html}");
    }
    let state: Value = reqwest::get(format!("{crm}/state"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(state["contacts"], 4200);
    let segment: Value = reqwest::get(format!("{crm}/segments/spring-customers"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&segment["count"], segment["sample"].as_array().unwrap().len()),
        (&json!(4200), 5)
    );
}
