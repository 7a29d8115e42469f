//! Sealed values are in clear on the wire and nowhere else. INVARIANT i29.

use countersign::{
    domain::sealed::DataKey,
    execute::{Client, Tools, run},
};
use serde_json::json;

use super::{
    act_on, claim, commands, no_ledger, now, policy, propose,
    server::{Raw, say},
    told, untold,
};

const IBAN: &str = "DE89370400440532013000";

#[tokio::test]
async fn i29_a_sealed_value_is_opened_only_to_be_sent() {
    let target = Raw::start(vec![say(
        "422 Unprocessable Entity",
        &format!(r#"{{"error":"bad {IBAN}"}}"#),
    )])
    .await;
    let execute = format!(
        "method: POST\nurl: {}/do\nallow_private: true\nbody: {{ to: \"${{params.secret}}\", list: [\"${{params.secret}}\"] }}",
        target.url
    );
    let policy = policy(&execute, None);
    let proposal = propose(&policy, &[json!({"name": "x", "secret": IBAN})]).await;
    let claimed = claim(&policy, &proposal).unwrap();
    assert!(!format!("{claimed:?}").contains(IBAN));
    let ran = act_on(&policy, &proposal).await;
    assert_eq!(told(&ran), "refused [refused: 422 Unprocessable Entity]");
    assert_eq!(target.bodies(), [json!({"to": IBAN, "list": [IBAN]})]);
    assert!(!format!("{ran:?}").contains(IBAN));
    assert!(!serde_json::to_string(ran.steps()).unwrap().contains(IBAN));
}

#[tokio::test]
async fn i29_without_its_key_nothing_is_sent() {
    let target = Raw::start(vec![say("201 Created", "{}")]).await;
    let execute = format!(
        "method: POST\nurl: {}/do\nallow_private: true\nbody: {{ to: \"${{params.secret}}\" }}",
        target.url
    );
    let policy = policy(&execute, None);
    let proposal = propose(&policy, &[json!({"name": "x", "secret": IBAN})]).await;
    let client = Client::new().unwrap();
    for key in [None, Some(DataKey::new([1; 32]))] {
        let claimed = claim(&policy, &proposal).unwrap();
        let tools = Tools {
            client: &client,
            commands: commands(),
            workflows: &crate::execute::workflows::Nowhere,
            policy: &policy,
            key: key.as_ref(),
            signature: None,
            clock: &now,
            frozen: &|| false,
            thaw: &|freeze| no_ledger(freeze),
        };
        let ran = run(claimed, &[], &tools, &untold).await;
        assert_eq!(
            told(&ran),
            "errored [errored: could not open the sealed value at `/secret`: another key, or the record was changed]"
        );
    }
    assert!(target.requests().is_empty());
}
