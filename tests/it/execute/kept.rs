//! Connections to a target that are kept: for calls alone that may be sent again.

use serde_json::json;

use super::{
    act, executed, policy,
    server::{Raw, Script, and_go_on, say},
    told,
};

fn acting(url: &str, more: &str) -> String {
    format!(
        "method: POST\nurl: {url}/do/{{name}}\nallow_private: true\nbody: {{ name: \"${{params.name}}\" }}\n{more}"
    )
}

const ONCE: &str = "idempotency_header: Idempotency-Key";
const SHARED: &str = "idempotency_header: Idempotency-Key\npersistent: true";

fn two() -> [serde_json::Value; 2] {
    [json!({"name": "a"}), json!({"name": "b"})]
}

fn created() -> Vec<u8> {
    and_go_on("201 Created", "{}")
}

#[tokio::test]
async fn i21_calls_share_a_connection_only_where_the_catalog_says_so() {
    for (promise, connections) in [(SHARED, 1), (ONCE, 2), ("", 2)] {
        let target = Raw::start(vec![Script::Keep(vec![created(), created()])]).await;
        let ran = act(&policy(&acting(&target.url, promise), None), &two()).await;
        assert!(executed(&ran), "{}", told(&ran));
        assert_eq!(target.requests().len(), 2);
        assert_eq!(target.connections(), connections, "{promise}");
    }
}

#[tokio::test]
async fn i21_a_call_whose_kept_connection_ends_goes_out_again_with_its_key_on_one_of_its_own() {
    let target = Raw::start(vec![
        Script::Keep(vec![created()]),
        Script::Keep(vec![created(), created()]),
    ])
    .await;
    let ran = act(&policy(&acting(&target.url, SHARED), None), &two()).await;
    assert!(executed(&ran), "{}", told(&ran));
    assert_eq!(target.connections(), 2);
    let bodies = target.bodies();
    assert_eq!(
        bodies,
        [json!({"name": "a"}), json!({"name": "b"}), json!({"name": "b"})]
    );
    let keys: Vec<String> = target.requests().iter().map(|request| key(request)).collect();
    assert!(keys[0] != keys[1] && keys[1] == keys[2], "{keys:?}");
}

fn key(request: &str) -> String {
    let mut lines = request.lines();
    let header = lines.find(|line| line.to_ascii_lowercase().starts_with("idempotency-key"));
    header.unwrap().to_owned()
}

#[tokio::test]
async fn i16_an_answer_that_comes_before_its_request_answers_nothing() {
    let planted = [created(), created()].concat();
    let target = Raw::start(vec![Script::Keep(vec![planted]), say("404 Not Found", "{}")]).await;
    let ran = act(&policy(&acting(&target.url, SHARED), None), &two()).await;
    assert!(!executed(&ran), "{}", told(&ran));
    assert_eq!(target.connections(), 2);
    assert_eq!(target.requests().len(), 2);
}
