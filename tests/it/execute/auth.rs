//! What targets are shown, and what must not come back or get out. INVARIANT i19.

use std::sync::Arc;

use countersign::{
    domain::{
        credential::KeyRing,
        policy::{Policy, SecretError, SecretName},
        receive::ClearItem,
    },
    execute::{Client, Minter, Ran, Tools, Unfit, observe, preflight, run},
};
use secrecy::SecretString;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    claim, commands, key, no_ledger, now, policy, propose,
    server::{Raw, say, say_with},
    told, untold,
};

const SECRET: &str = "hunter2\"of the bank";

/// A client that knows the secret of `COUNTERSIGN_SECRET_BANK`, and makes credentials.
fn client() -> Client {
    let secrets = |name: &SecretName, _: &_| match name.as_str() {
        "COUNTERSIGN_SECRET_BANK" => Ok(SecretString::from(SECRET)),
        "COUNTERSIGN_SECRET_ODD" => Ok(SecretString::from("two\r\nlines")),
        _ => Err(SecretError::Missing(name.clone())),
    };
    let ring = Arc::new(KeyRing::begin(Zeroizing::new([4; 32]), now()));
    let minter = Minter::new(
        "https://git.example/a/b".into(),
        Arc::new(move || Ok(Arc::clone(&ring))),
    );
    Client::new()
        .unwrap()
        .with_secrets(Arc::new(secrets))
        .with_minter(minter)
}

fn acting(url: &str, auth: &str) -> Policy {
    policy(
        &format!("method: POST\nurl: {url}/do\nallow_private: true\nauth: {auth}\nbody: {{ a: 1 }}"),
        None,
    )
}

async fn act_as(client: &Client, policy: &Policy) -> Ran {
    let proposal = propose(policy, &[json!({"name": "x"})]).await;
    let (claimed, key) = (claim(policy, &proposal).unwrap(), key());
    run(claimed, &[], &tools(client, policy, &key), &untold).await
}

fn tools<'a>(
    client: &'a Client,
    policy: &'a Policy,
    key: &'a countersign::domain::sealed::DataKey,
) -> Tools<'a> {
    Tools {
        client,
        policy,
        key: Some(key),
        signature: None,
        clock: &now,
        frozen: &|| false,
        thaw: &|freeze| no_ledger(freeze),
        commands: commands(),
        workflows: &crate::execute::workflows::Nowhere,
    }
}

fn header(request: &str, name: &str) -> Option<String> {
    let line = request
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.map(str::to_owned)
}

#[tokio::test]
async fn each_way_to_authenticate_reaches_the_target() {
    for (auth, name, value) in [
        (
            "{ bearer: { env: COUNTERSIGN_SECRET_BANK } }",
            "authorization",
            format!("Bearer {SECRET}"),
        ),
        (
            "{ header: { name: X-Api-Key, value: { env: COUNTERSIGN_SECRET_BANK } } }",
            "x-api-key",
            SECRET.to_owned(),
        ),
        (
            "{ basic: { user: bot, password: { env: COUNTERSIGN_SECRET_BANK } } }",
            "authorization",
            "Basic Ym90Omh1bnRlcjIib2YgdGhlIGJhbms=".to_owned(),
        ),
    ] {
        let target = Raw::start(vec![say("201 Created", "{}")]).await;
        let ran = act_as(&client(), &acting(&target.url, auth)).await;
        assert_eq!(told(&ran), "executed [executed: 201 Created]");
        assert_eq!(header(&target.requests()[0], name), Some(value));
        assert!(ran.credentials().is_empty());
    }
}

#[tokio::test]
async fn i19_a_credential_lives_no_longer_than_its_execution_and_names_one_request() {
    let target = Raw::start(vec![say("201 Created", "{}")]).await;
    let policy = acting(&target.url, "{ credential: { audience: bank } }");
    let proposal = propose(&policy, &[json!({"name": "x"}), json!({"name": "y"})]).await;
    let (claimed, key, client) = (claim(&policy, &proposal).unwrap(), key(), client());
    // One call of thirty seconds an item, and a minute besides.
    assert_eq!(claimed.deadline().since(now()), 120_000);
    let ran = run(claimed, &[], &tools(&client, &policy, &key), &untold).await;
    let claims = |request: &String| -> Value {
        let token = header(request, "authorization").unwrap();
        let payload = token
            .strip_prefix("Bearer ")
            .unwrap()
            .split('.')
            .nth(1)
            .unwrap()
            .to_owned();
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload);
        serde_json::from_slice(&bytes.unwrap()).unwrap()
    };
    let shown: Vec<Value> = target.requests().iter().map(claims).collect();
    assert_eq!(shown.len(), 2);
    for (claims, item) in shown.iter().zip(["1", "2"]) {
        assert_eq!(
            claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
            120
        );
        assert_eq!((&claims["aud"], &claims["item"]), (&json!("bank"), &json!(item)));
        assert_eq!(claims["iss"], "https://git.example/a/b");
        assert_eq!(
            (&claims["tier"], &claims["approvers"]),
            (&json!("low"), &json!([]))
        );
    }
    assert_ne!(shown[0]["jti"], shown[1]["jti"]);
    let recorded: Vec<&str> = ran.credentials().iter().map(|one| one.jti.as_str()).collect();
    assert_eq!(json!(recorded), json!([shown[0]["jti"], shown[1]["jti"]]));
    // Nothing of the tokens is kept.
    for request in target.requests() {
        let token = header(&request, "authorization").unwrap();
        let signature = token.rsplit('.').next().unwrap().to_owned();
        assert!(!format!("{ran:?} {client:?}").contains(&signature));
    }
}

#[tokio::test]
async fn what_can_t_be_shown_is_not_sent_and_the_preflight_says_so() {
    for (auth, client, why) in [
        (
            "{ bearer: { env: COUNTERSIGN_SECRET_OTHER } }",
            client(),
            "the secret `COUNTERSIGN_SECRET_OTHER` is not there; the operator has to set it where the bot runs",
        ),
        (
            "{ bearer: { env: COUNTERSIGN_SECRET_ODD } }",
            client(),
            "the secret `COUNTERSIGN_SECRET_ODD` can't be used: no header can carry it; it must be printable ASCII",
        ),
        (
            "{ credential: {} }",
            client().with_minter(Minter::new(String::new(), Arc::new(|| Err("gone".into())))),
            "the keys of credentials can't be read: gone",
        ),
        (
            "{ credential: {} }",
            client().with_minter(Minter::new(
                String::new(),
                Arc::new(|| {
                    Ok(Arc::new(KeyRing::begin(
                        Zeroizing::new([4; 32]),
                        "2026-01-05T10:00:01Z".parse().unwrap(),
                    )))
                }),
            )),
            "no key signs at 2026-01-05T10:00:00.000Z; compare the clock with `countersign credentials show`",
        ),
    ] {
        let target = Raw::start(vec![say("201 Created", "{}")]).await;
        let policy = acting(&target.url, auth);
        let ran = act_as(&client, &policy).await;
        assert_eq!(told(&ran), format!("errored [errored: {why}]"));
        let (proposal, key) = (propose(&policy, &[json!({"name": "x"})]).await, key());
        let items = proposal.binding.items.iter();
        let unfit = preflight(&proposal, items, &tools(&client, &policy, &key))
            .await
            .unwrap_err();
        assert!(matches!(unfit, Unfit::Auth(_)), "{unfit:?}");
        assert_eq!(unfit.to_string(), why);
        assert!(target.requests().is_empty());
        assert!(!why.contains("lines"));
    }
    let target = Raw::start(vec![say("201 Created", "{}")]).await;
    let without = Client::new().unwrap();
    let ran = act_as(&without, &acting(&target.url, "{ credential: {} }")).await;
    assert_eq!(
        told(&ran),
        "errored [errored: this process makes no credentials; run it where the executor has its keys]"
    );
    assert!(target.requests().is_empty());
}

#[tokio::test]
async fn i19_an_answer_that_repeats_a_secret_is_kept_without_it() {
    let echo = json!({ "you": format!("Bearer {SECRET}") }).to_string();
    let target = Raw::start(vec![say("422 Unprocessable Entity", &echo)]).await;
    let ran = act_as(
        &client(),
        &acting(&target.url, "{ bearer: { env: COUNTERSIGN_SECRET_BANK } }"),
    )
    .await;
    assert_eq!(told(&ran), "refused [refused: 422 Unprocessable Entity]");
    let answer = ran.answers()[0].answer.as_ref().unwrap();
    assert_eq!(answer.body(), br#"{"you":"Bearer [secret]"}"#);
}

#[tokio::test]
async fn i19_an_observation_shows_a_secret_and_records_none() {
    let echo = json!({ "before": { "key": SECRET } }).to_string();
    let target = Raw::start(vec![say_with(
        "200 OK",
        &format!("ETag: \"{}\"\r\n", "tag"),
        &echo,
    )])
    .await;
    let observe_by = format!(
        "method: GET\nurl: {}/look/{{name}}\nallow_private: true\nbefore: /before\n\
         auth: {{ header: {{ name: X-Api-Key, value: {{ env: COUNTERSIGN_SECRET_BANK }} }} }}",
        target.url
    );
    let policy = policy("method: POST\nurl: https://a.example/do", Some(&observe_by));
    let action = policy.action(&"things.do".parse().unwrap()).unwrap();
    let item = ClearItem {
        id: "1".parse().unwrap(),
        parameters: json!({"name": "x"}),
        defaulted: Vec::new(),
    };
    let id = countersign::domain::ids::ProposalId::from_parts(now(), 1);
    let facts = observe(&client(), action, id, &item).await.unwrap().unwrap();
    assert_eq!(facts.before, json!({ "key": "[secret]" }));
    assert_eq!(
        header(&target.requests()[0], "x-api-key"),
        Some(SECRET.to_owned())
    );
    let refused = observe(&Client::new().unwrap(), action, id, &item)
        .await
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("`COUNTERSIGN_SECRET_BANK` is not there"),
        "{refused}"
    );
    assert_eq!(target.requests().len(), 1);
}
