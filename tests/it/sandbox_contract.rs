//! The sandbox against GitHub's own description of its API and its webhooks, and against GitHub's own client.
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::contract::{Description, assert_described, event_key, packages};
use crate::sandbox::{REPO, World, endpoint};
use crate::sandbox_walk::walk;

#[tokio::test]
async fn every_answer_is_as_github_describes_it() {
    let world = World::new();
    let (url, _) = endpoint(Arc::new(Mutex::new(200))).await;
    world.sandbox.set_webhook_url(world.app.id, &url).unwrap();
    walk(&world).await;
    let checked = assert_described(&world.sandbox.requests());
    assert!(packages().is_none() || checked > 90, "only {checked} exchanges");
}

#[tokio::test]
async fn every_event_is_as_github_describes_it() {
    let Some(description) = Description::webhooks() else {
        return;
    };
    let examples = packages()
        .unwrap()
        .join("node_modules/@octokit/webhooks-examples/api.github.com/index.json");
    let examples: Vec<Value> = serde_json::from_slice(&std::fs::read(examples).unwrap()).unwrap();
    let mut accepts: BTreeMap<String, bool> = BTreeMap::new();
    for event in &examples {
        for example in event["examples"].as_array().unwrap() {
            let name = event["name"].as_str().unwrap();
            let Some(problems) = description.check_event(name, example) else {
                continue;
            };
            *accepts.entry(event_key(name, example)).or_insert(true) &= problems.is_empty();
        }
    }
    let trusted: BTreeSet<&String> = accepts
        .iter()
        .filter(|(_, all)| **all)
        .map(|(key, _)| key)
        .collect();

    let world = World::new();
    let (url, _) = endpoint(Arc::new(Mutex::new(200))).await;
    world.sandbox.set_webhook_url(world.app.id, &url).unwrap();
    walk(&world).await;
    let mut problems = BTreeSet::new();
    let mut sent = BTreeSet::new();
    for (event, payload, _) in world.sandbox.deliveries() {
        let key = event_key(&event, &payload);
        sent.insert(key.clone());
        let Some(found) = description.check_event(&event, &payload) else {
            panic!("GitHub has no event `{key}`")
        };
        problems.extend(found);
    }
    println!(
        "GitHub's own examples satisfy {} of {} event schemas",
        trusted.len(),
        accepts.len()
    );
    assert!(
        problems.is_empty(),
        "{} departures:\n{}",
        problems.len(),
        Vec::from_iter(problems).join("\n")
    );
    let proven = sent.iter().filter(|key| trusted.contains(key)).count();
    assert!(
        proven >= 12,
        "{proven} of the events sent have schemas that accept GitHub's examples"
    );
    assert!(sent.len() >= 28, "{sent:?}");
}

/// Runs a script of `tests/npm` with node against the sandbox.
fn node(world: &World, script: &str) {
    let Some(packages) = packages() else { return };
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/npm")
        .join(script);
    let copy = packages.join(script);
    std::fs::copy(source, &copy).unwrap();
    let output = Command::new("node")
        .arg(copy)
        .env("API", world.sandbox.api_url())
        .env("APP_ID", world.app.id.to_string())
        .env("PRIVATE_KEY", &world.app.private_key_pem)
        .env("INSTALLATION", world.installation.to_string())
        .env("ALICE", world.sandbox.user_token("alice").unwrap())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{script}: {out}{err}");
}

#[test]
fn octokit_works_unchanged() {
    let world = World::new();
    for at in 0..3 {
        let branch = format!("t{at}");
        world
            .sandbox
            .as_user("bob")
            .push_files(REPO, &branch, &[("a.txt", "1\n")], "One", false)
            .unwrap();
    }
    node(&world, "octokit.mjs");
    assert_described(&world.sandbox.requests());
}

#[tokio::test]
async fn a_departure_is_noticed() {
    let Some(description) = Description::rest() else {
        return;
    };
    let world = World::new();
    world.get(&world.token(), "/repos/acme/ops").await;
    let good = world.sandbox.requests().remove(0);
    assert_eq!(description.check(&good), Vec::<String>::new());
    let mut missing = good.clone();
    missing.response.as_object_mut().unwrap().remove("default_branch");
    let mut mistyped = good.clone();
    mistyped.response["owner"]["id"] = json!("one");
    let mut undated = good.clone();
    undated.response["created_at"] = json!("yesterday");
    let unknown_query = countersign::sandbox::Recorded {
        query: "nonsense=1".to_owned(),
        ..good.clone()
    };
    let unknown_path = countersign::sandbox::Recorded {
        path: "/repos/acme/ops/nonsense".to_owned(),
        ..good.clone()
    };
    let unknown_status = countersign::sandbox::Recorded {
        status: 418,
        ..good.clone()
    };
    let bad_body = countersign::sandbox::Recorded {
        method: "POST".to_owned(),
        path: "/repos/acme/ops/issues/1/comments".to_owned(),
        request: json!({ "body": 1 }),
        status: 201,
        ..good
    };
    for bad in [
        missing,
        mistyped,
        undated,
        unknown_query,
        unknown_path,
        unknown_status,
        bad_body,
    ] {
        assert!(
            !description.check(&bad).is_empty(),
            "{} {}?{}",
            bad.method,
            bad.path,
            bad.query
        );
    }
}
