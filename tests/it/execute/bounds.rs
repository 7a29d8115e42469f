//! What the catalog bounds for a target's host is kept to, and waited for only as long as the execution may last.

use std::sync::Arc;

use axum::{Router, extract::State, routing::post};
use countersign::{
    domain::{
        ids::{Span, Timestamp},
        policy::{Policy, compile},
    },
    execute::{Client, Ran, Tools, run},
};
use serde_json::json;
use tokio::sync::Semaphore;

use super::{
    claim, commands, files, key, no_ledger, now, propose,
    server::{Raw, say},
    told, untold,
};

fn policy(url: &str, bounds: &str) -> Policy {
    bounding(
        &format!("method: POST\nurl: {url}/do\nallow_private: true"),
        bounds,
    )
}

fn bounding(execute: &str, bounds: &str) -> Policy {
    let mut files = files(execute, None, "[name]");
    files[0]
        .text
        .push_str(&format!("targets:\n  127.0.0.1: {bounds}\n"));
    compile(&files).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

async fn act(client: &Client, policy: &Policy, names: &[&str], later: Span) -> Ran {
    let items: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
    let proposal = propose(policy, &items).await;
    let (claimed, key) = (claim(policy, &proposal).unwrap(), key());
    let clock = move || now().plus(later);
    let tools = Tools {
        client,
        policy,
        key: Some(&key),
        signature: None,
        clock: &clock as &(dyn Fn() -> Timestamp + Send + Sync),
        frozen: &|| false,
        thaw: &|freeze| no_ledger(freeze),
        commands: commands(),
        workflows: &crate::execute::workflows::Nowhere,
    };
    run(claimed, &[], &tools, &untold).await
}

const FULL: &str =
    "refused: `127.0.0.1` is asked as much as `targets` in the catalog allows, and no room came in time";

#[tokio::test]
async fn a_call_beyond_the_rate_is_refused_when_it_can_t_begin_in_time() {
    let target = Raw::start(vec![say("201 Created", "{}")]).await;
    let policy = policy(&target.url, "{ rate: 3, per: 1h }");
    let client = Client::new().unwrap();
    let at_once = act(&client, &policy, &["a", "b"], Span::seconds(0)).await;
    assert_eq!(
        told(&at_once),
        "executed [executed: 201 Created; executed: 201 Created]"
    );
    let third = act(&client, &policy, &["c"], Span::seconds(0)).await;
    assert_eq!(told(&third), format!("refused [{FULL}]"));
    assert_eq!(target.requests().len(), 2);
    // Another process counts for itself.
    let other = act(&Client::new().unwrap(), &policy, &["d"], Span::seconds(0)).await;
    assert_eq!(told(&other), "executed [executed: 201 Created]");
}

#[tokio::test]
async fn no_more_calls_are_under_way_than_the_target_takes() {
    let (arrived, leave) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let gates = (Arc::clone(&arrived), Arc::clone(&leave));
    let held = async |State((arrived, leave)): State<(Arc<Semaphore>, Arc<Semaphore>)>| {
        arrived.add_permits(1);
        leave.acquire().await.unwrap().forget();
        "{}"
    };
    let router = Router::new().route("/do", post(held)).with_state(gates);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let (policy, client) = (policy(&url, "{ concurrency: 1 }"), Client::new().unwrap());
    let first = act(&client, &policy, &["a"], Span::seconds(0));
    let second = async {
        arrived.acquire().await.unwrap().forget();
        // So late that the call's own time is all that is left.
        let full = act(&client, &policy, &["b"], Span::seconds(60)).await;
        assert_eq!(told(&full), format!("refused [{FULL}]"));
        assert_eq!(arrived.available_permits(), 0);
        // In time, it waits until there is room.
        let waits = act(&client, &policy, &["c"], Span::seconds(0));
        let (waited, ()) = tokio::join!(waits, async { leave.add_permits(2) });
        assert_eq!(told(&waited), "executed [executed: 200 OK]");
    };
    let (first, ()) = tokio::join!(first, second);
    assert_eq!(told(&first), "executed [executed: 200 OK]");
    server.abort();
}

#[tokio::test]
async fn i21_a_step_is_taken_back_even_without_room() {
    let answers = ["200 OK", "422 Unprocessable Entity", "200 OK"];
    let target = Raw::start(answers.iter().map(|status| say(status, "{}")).collect()).await;
    let call = |path: &str| {
        let url = &target.url;
        format!("http: {{ method: POST, url: \"{url}/{path}\", allow_private: true }}")
    };
    let steps = format!(
        "steps:\n- name: a\n  {}\n  undo: {{ {} }}\n- name: b\n  {}\n",
        call("a"),
        call("undo"),
        call("b")
    );
    let policy = bounding(&steps, "{ rate: 3, per: 1h }");
    let ran = act(&Client::new().unwrap(), &policy, &["x"], Span::seconds(0)).await;
    assert!(told(&ran).starts_with("undone "), "{}", told(&ran));
    let requests = target.requests();
    let paths: Vec<&str> = requests
        .iter()
        .filter_map(|request| request.split(' ').nth(1))
        .collect();
    assert_eq!(paths, ["/a", "/b", "/undo"]);
}
