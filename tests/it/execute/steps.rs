//! Actions of several steps: taken in order, taken back in reverse. INVARIANT i21.

use std::sync::{Arc, Mutex};

use countersign::{
    domain::policy::Policy,
    execute::{Client, Progress, Ran, Tools, run},
};
use futures::future::BoxFuture;
use serde_json::json;

use super::{
    act, claim, commands, key, no_ledger, now, policy, propose,
    server::{Raw, Script, say},
    told,
};

const OK: (&str, &str) = ("200 OK", "{}");
const NO: (&str, &str) = ("422 Unprocessable Entity", "{}");

/// Steps `a`, `b`, `c`, each with an undo but those named in `without`.
fn three(url: &str, without: &str) -> Policy {
    let step = |name: &str| {
        let call = |path: &str| {
            format!(
                "http: {{ method: POST, url: \"{url}/{path}/{name}\", allow_private: true, idempotency_header: Idempotency-Key, body: {{ key: \"${{step.key}}\" }} }}"
            )
        };
        let undo = if without.contains(name) {
            String::new()
        } else {
            format!("\n  undo: {{ {} }}", call("undo"))
        };
        format!("- name: {name}\n  {}{undo}\n", call("do"))
    };
    policy(&format!("steps:\n{}{}{}", step("a"), step("b"), step("c")), None)
}

fn scripts(all: &[(&str, &str)]) -> Vec<Script> {
    all.iter().map(|(status, body)| say(status, body)).collect()
}

/// The paths that were asked for, in order.
fn paths(target: &Raw) -> Vec<String> {
    let path = |request: String| request.split(' ').nth(1).unwrap().to_owned();
    target.requests().into_iter().map(path).collect()
}

async fn against(answers: &[(&str, &str)], without: &str) -> (Raw, Ran) {
    let target = Raw::start(scripts(answers)).await;
    let ran = act(&three(&target.url, without), &[json!({"name": "x"})]).await;
    (target, ran)
}

#[tokio::test]
async fn steps_run_in_order() {
    let (target, ran) = against(&[OK, OK, OK], "").await;
    assert_eq!(paths(&target), ["/do/a", "/do/b", "/do/c"]);
    assert_eq!(
        told(&ran),
        "executed [executed: 200 OK; executed: 200 OK; executed: 200 OK]"
    );
    assert!(ran.incidents().is_empty());
}

#[tokio::test]
async fn i21_a_failed_step_undoes_the_finished_ones_in_reverse() {
    let (target, ran) = against(&[OK, OK, NO, OK, OK], "").await;
    assert_eq!(paths(&target), ["/do/a", "/do/b", "/do/c", "/undo/b", "/undo/a"]);
    assert_eq!(
        told(&ran),
        "undone [executed: 200 OK; executed: 200 OK; refused: 422 Unprocessable Entity; executed: 200 OK; executed: 200 OK]"
    );
    let undone: Vec<_> = ran.steps().iter().map(|step| step.undo).collect();
    assert_eq!(undone, [false, false, false, true, true]);
    assert!(ran.incidents().is_empty());
}

#[tokio::test]
async fn i21_an_undo_has_a_key_of_its_own_and_names_the_step_s() {
    let (target, _) = against(&[OK, NO, OK], "").await;
    let (doing, undoing) = (target.requests().remove(0), target.requests().remove(2));
    let key = |request: &str| {
        let line = request
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with("idempotency-key"));
        line.unwrap().split_once(": ").unwrap().1.to_owned()
    };
    assert!(key(&doing).ends_with("/1/a"), "{doing}");
    assert_eq!(key(&undoing), format!("{}/undo", key(&doing)));
    assert_eq!(target.bodies()[2], json!({ "key": key(&doing) }));
}

#[tokio::test]
async fn i21_when_the_first_step_fails_nothing_is_undone() {
    let (target, ran) = against(&[NO], "").await;
    assert_eq!(paths(&target), ["/do/a"]);
    assert_eq!(told(&ran), "refused [refused: 422 Unprocessable Entity]");
}

#[tokio::test]
async fn i21_what_can_t_be_undone_is_an_incident_and_the_others_are_undone() {
    // The catalog has no way to take `b` back.
    let (target, ran) = against(&[OK, OK, NO, OK], "b").await;
    assert_eq!(paths(&target), ["/do/a", "/do/b", "/do/c", "/undo/a"]);
    assert!(told(&ran).starts_with("partial ["), "{}", told(&ran));
    assert_eq!(
        ran.incidents(),
        ["item `1`: step `b` can't be undone: the catalog has no way to"]
    );
    // The target will not.
    let (target, ran) = against(&[OK, OK, NO, NO, OK], "").await;
    assert_eq!(paths(&target), ["/do/a", "/do/b", "/do/c", "/undo/b", "/undo/a"]);
    assert!(told(&ran).starts_with("partial ["), "{}", told(&ran));
    assert_eq!(
        ran.incidents(),
        ["item `1`: step `b` can't be undone: the target answered 422 Unprocessable Entity"]
    );
}

#[tokio::test]
async fn i21_while_nobody_can_tell_what_a_step_did_nothing_is_undone() {
    let target = Raw::start(vec![say(OK.0, OK.1), Script::Close]).await;
    let ran = act(&three(&target.url, ""), &[json!({"name": "x"})]).await;
    assert!(
        told(&ran).starts_with("unknown: item `1`: step `b`: "),
        "{}",
        told(&ran)
    );
    assert!(paths(&target).iter().all(|path| path.starts_with("/do/")));
    // Nor is anything more when nobody can tell of an undo.
    let mut answers = scripts(&[OK, OK, NO]);
    answers.push(Script::Close);
    let target = Raw::start(answers).await;
    let ran = act(&three(&target.url, ""), &[json!({"name": "x"})]).await;
    assert!(
        told(&ran).starts_with("unknown: item `1`: step `b`: undoing it, "),
        "{}",
        told(&ran)
    );
    assert!(!paths(&target).contains(&"/undo/a".to_owned()));
}

#[tokio::test]
async fn i21_a_failure_is_told_before_anything_is_undone() {
    let target = Arc::new(Raw::start(scripts(&[OK, NO, OK])).await);
    let policy = three(&target.url, "");
    let proposal = propose(&policy, &[json!({"name": "x"})]).await;
    let claimed = claim(&policy, &proposal).unwrap();
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let (asked, hears) = (Arc::clone(&target), Arc::clone(&heard));
    let tell = move |progress: Progress| -> BoxFuture<'static, ()> {
        let Progress {
            result,
            number,
            of,
            first,
            answer,
        } = progress;
        assert_eq!(answer.map(|answer| answer.commitment()), result.response);
        let requests = asked.requests().len();
        let undo = if result.undo { "undo " } else { "" };
        let line = format!(
            "{undo}{} {number}/{of} first={first} after {requests}",
            result.what()
        );
        hears.lock().unwrap().push(line);
        Box::pin(std::future::ready(()))
    };
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
    run(claimed, &[], &tools, &tell).await;
    assert_eq!(
        *heard.lock().unwrap(),
        [
            "item 1, step `a` 1/3 first=false after 1",
            "item 1, step `b` 2/3 first=true after 2",
            "undo item 1, step `a` 3/3 first=false after 3",
        ]
    );
}
