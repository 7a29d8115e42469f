//! The sandbox against GitHub's own description of its API and its webhooks, and against GitHub's own client.
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::{Value, json};

use crate::contract::{Description, assert_described, event_key, packages};
use crate::sandbox::{REPO, World, endpoint};
use countersign::sandbox::MergeMethod;

/// Walks through every route, the refusals included.
async fn walk(world: &World) {
    let sandbox = &world.sandbox;
    let (jwt, token) = (world.jwt(), world.token());
    let alice = sandbox.user_token("alice").unwrap();
    let root = sandbox.user_token("root").unwrap();
    let call = async |method: &str, token: &str, path: &str, body: Value| {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let (status, body, _) = world.send(method, token, path, body).await;
        (status, body)
    };
    let repo = |rest: &str| format!("/repos/acme/ops{rest}");
    let installation = world.installation;

    for path in [
        "/app",
        "/app/installations",
        &format!("/app/installations/{installation}"),
        "/repos/acme/ops/installation",
        "/orgs/acme/installation",
        "/app/hook/config",
    ] {
        assert_eq!(call("GET", &jwt, path, Value::Null).await.0, 200, "{path}");
    }
    let tokens = format!("/app/installations/{installation}/access_tokens");
    let narrow = json!({ "repositories": ["ops"], "permissions": { "contents": "read" } });
    assert_eq!(call("POST", &jwt, &tokens, narrow).await.0, 201);
    assert_eq!(call("GET", "bad", "/user", Value::Null).await.0, 401);

    for path in [
        "/meta",
        "/rate_limit",
        "/installation/repositories",
        "/users/alice",
        "/orgs/acme",
        "/orgs/acme/members",
        "/orgs/acme/teams",
        "/orgs/acme/teams/finance",
        "/orgs/acme/teams/finance/members",
        "/orgs/acme/teams/finance/teams",
        "/orgs/acme/teams/finance/memberships/alice",
        "/orgs/acme/memberships/alice",
        "/apps/countersign",
        "/repos/acme/ops",
        "/repos/acme/ops/branches",
        "/repos/acme/ops/branches/main",
        "/repos/acme/ops/activity",
        "/repos/acme/ops/git/ref/heads/main",
        "/repos/acme/ops/git/matching-refs/heads/",
        "/repos/acme/ops/commits",
        "/repos/acme/ops/commits/main",
        "/repos/acme/ops/contents/README.md",
        "/repos/acme/ops/contents/policies",
        "/repos/acme/ops/contents/",
        "/repos/acme/ops/rulesets",
        "/repos/acme/ops/rules/branches/main",
        "/repos/acme/ops/collaborators/alice/permission",
    ] {
        assert_eq!(
            call("GET", &token, path, Value::Null).await.0,
            200,
            "{path}"
        );
    }
    let id = sandbox.user_id("alice").unwrap();
    assert_eq!(
        call("GET", &token, &format!("/user/{id}"), Value::Null)
            .await
            .0,
        200
    );
    assert_eq!(call("GET", &alice, "/user", Value::Null).await.0, 200);
    assert_eq!(
        call("GET", &token, "/orgs/acme/members/alice", Value::Null)
            .await
            .0,
        204
    );
    assert_eq!(
        call("GET", &token, "/repos/acme/none", Value::Null).await.0,
        404
    );
    assert_eq!(
        call(
            "GET",
            &token,
            "/repos/acme/ops/branches/main/protection",
            Value::Null
        )
        .await
        .0,
        404
    );

    let base = sandbox.branch_head(REPO, "main").unwrap();
    let created = json!({ "ref": "refs/heads/made", "sha": base });
    assert_eq!(
        call("POST", &token, &repo("/git/refs"), created.clone())
            .await
            .0,
        201
    );
    assert_eq!(
        call("POST", &token, &repo("/git/refs"), created).await.0,
        422
    );
    let head = sandbox
        .as_user("bob")
        .push_files(
            REPO,
            "topic",
            &[("a.txt", "1\n2\n"), ("README.md", "# Ops\n")],
            "One",
            false,
        )
        .unwrap();
    let moved = json!({ "sha": head, "force": false });
    assert_eq!(
        call("PATCH", &token, &repo("/git/refs/heads/made"), moved)
            .await
            .0,
        200
    );
    assert_eq!(
        call("DELETE", &token, &repo("/git/refs/heads/made"), Value::Null)
            .await
            .0,
        204
    );
    assert_eq!(
        call(
            "GET",
            &token,
            &repo(&format!("/git/commits/{head}")),
            Value::Null
        )
        .await
        .0,
        200
    );
    assert_eq!(
        call(
            "GET",
            &token,
            &repo(&format!("/commits/{head}")),
            Value::Null
        )
        .await
        .0,
        200
    );
    let blob = call("GET", &token, &repo("/contents/README.md"), Value::Null)
        .await
        .1["sha"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        call(
            "GET",
            &token,
            &repo(&format!("/git/blobs/{blob}")),
            Value::Null
        )
        .await
        .0,
        200
    );
    assert_eq!(
        call("GET", &token, &repo("/compare/main...topic"), Value::Null)
            .await
            .0,
        200
    );
    let put = json!({ "message": "Add", "content": "aGVsbG8K", "branch": "topic" });
    assert_eq!(
        call("PUT", &token, &repo("/contents/b.txt"), put).await.0,
        201
    );
    let head = sandbox.branch_head(REPO, "topic").unwrap();

    let open = json!({ "head": "topic", "base": "main", "title": "Topic", "body": "words", "draft": false });
    assert_eq!(
        call("POST", &token, &repo("/pulls"), open.clone()).await.0,
        201
    );
    assert_eq!(call("POST", &token, &repo("/pulls"), open).await.0, 422);
    let reviewers = json!({ "reviewers": ["alice"] });
    assert_eq!(
        call(
            "POST",
            &token,
            &repo("/pulls/1/requested_reviewers"),
            reviewers.clone()
        )
        .await
        .0,
        201
    );
    for path in [
        "/pulls",
        "/pulls?state=all&head=acme:topic&base=main",
        "/pulls/1",
        "/pulls/1/files",
        "/pulls/1/commits",
        "/pulls/1/requested_reviewers",
        "/pulls/1/reviews",
        "/pulls/1/comments",
        "/issues/1",
        "/issues/1/comments",
    ] {
        assert_eq!(
            call("GET", &token, &repo(path), Value::Null).await.0,
            200,
            "{path}"
        );
    }
    assert_eq!(
        call(
            "DELETE",
            &token,
            &repo("/pulls/1/requested_reviewers"),
            reviewers
        )
        .await
        .0,
        200
    );
    assert_eq!(
        call(
            "PATCH",
            &token,
            &repo("/pulls/1"),
            json!({ "title": "Topic, again", "body": "more" })
        )
        .await
        .0,
        200
    );
    let own = json!({ "event": "APPROVE" });
    assert_eq!(
        call("POST", &token, &repo("/pulls/1/reviews"), own.clone())
            .await
            .0,
        422
    );
    let (status, review) = call("POST", &alice, &repo("/pulls/1/reviews"), own).await;
    assert_eq!(status, 200);
    let review = repo(&format!("/pulls/1/reviews/{}", review["id"]));
    assert_eq!(call("GET", &token, &review, Value::Null).await.0, 200);
    assert_eq!(
        call("PUT", &alice, &review, json!({ "body": "fine" }))
            .await
            .0,
        200
    );
    assert_eq!(
        call(
            "PUT",
            &token,
            &format!("{review}/dismissals"),
            json!({ "message": "stale" })
        )
        .await
        .0,
        200
    );
    let (_, pending) = call(
        "POST",
        &alice,
        &repo("/pulls/1/reviews"),
        json!({ "body": "later" }),
    )
    .await;
    let pending = repo(&format!("/pulls/1/reviews/{}", pending["id"]));
    assert_eq!(
        call(
            "POST",
            &alice,
            &format!("{pending}/events"),
            json!({ "event": "REQUEST_CHANGES" })
        )
        .await
        .0,
        200
    );

    let (status, comment) = call(
        "POST",
        &token,
        &repo("/issues/1/comments"),
        json!({ "body": "hello" }),
    )
    .await;
    assert_eq!(status, 201);
    let comment = repo(&format!("/issues/comments/{}", comment["id"]));
    assert_eq!(
        call("PATCH", &token, &comment, json!({ "body": "hello again" }))
            .await
            .0,
        200
    );
    assert_eq!(call("GET", &token, &comment, Value::Null).await.0, 200);
    assert_eq!(
        call("POST", &token, &repo("/issues/1/comments"), json!({}))
            .await
            .0,
        422
    );

    let run = json!({
        "name": "countersign", "head_sha": head, "status": "in_progress", "external_id": "x",
        "output": { "title": "Waiting", "summary": "for alice" },
        "actions": [{ "label": "Look again", "description": "Look again", "identifier": "again" }],
    });
    let (status, run) = call("POST", &token, &repo("/check-runs"), run).await;
    assert_eq!(status, 201);
    let run_id = run["id"].as_u64().unwrap();
    let run = repo(&format!("/check-runs/{run_id}"));
    let done = json!({ "conclusion": "success", "output": { "title": "Go", "summary": "approved", "annotations": [] } });
    assert_eq!(call("PATCH", &token, &run, done).await.0, 200);
    assert_eq!(call("GET", &token, &run, Value::Null).await.0, 200);
    assert_eq!(
        call("GET", &token, &format!("{run}/annotations"), Value::Null)
            .await
            .0,
        200
    );
    let runs = format!(
        "/commits/{head}/check-runs?check_name=countersign&filter=latest&app_id={}",
        world.app.id
    );
    assert_eq!(call("GET", &token, &repo(&runs), Value::Null).await.0, 200);
    assert_eq!(
        call(
            "POST",
            &alice,
            &repo("/check-runs"),
            json!({ "name": "x", "head_sha": head })
        )
        .await
        .0,
        403
    );
    let status_body = json!({ "state": "success", "context": "ci", "description": "ok", "target_url": "https://example.com" });
    assert_eq!(
        call(
            "POST",
            &token,
            &repo(&format!("/statuses/{head}")),
            status_body
        )
        .await
        .0,
        201
    );
    assert_eq!(
        call(
            "GET",
            &token,
            &repo(&format!("/commits/{head}/status")),
            Value::Null
        )
        .await
        .0,
        200
    );
    assert_eq!(
        call(
            "GET",
            &token,
            &repo(&format!("/commits/{head}/statuses")),
            Value::Null
        )
        .await
        .0,
        200
    );
    assert_eq!(
        call(
            "GET",
            &token,
            &repo(&format!("/commits/{head}/pulls")),
            Value::Null
        )
        .await
        .0,
        200
    );

    let ruleset = json!({
        "name": "reserved", "target": "branch", "enforcement": "active",
        "bypass_actors": [{ "actor_id": world.app.id, "actor_type": "Integration", "bypass_mode": "always" }],
        "conditions": { "ref_name": { "include": ["refs/heads/ledger", "~DEFAULT_BRANCH"], "exclude": [] } },
        "rules": [{ "type": "creation" }, { "type": "non_fast_forward" }, { "type": "required_status_checks", "parameters": {
            "strict_required_status_checks_policy": false,
            "required_status_checks": [{ "context": "countersign", "integration_id": world.app.id }] } }],
    });
    assert_eq!(
        call("POST", &token, &repo("/rulesets"), ruleset.clone())
            .await
            .0,
        403
    );
    let (status, made) = call("POST", &root, &repo("/rulesets"), ruleset).await;
    assert_eq!(status, 201);
    let ruleset = repo(&format!("/rulesets/{}", made["id"]));
    let (_, seen) = call("GET", &token, &ruleset, Value::Null).await;
    assert!(seen.get("bypass_actors").is_none() && made.get("bypass_actors").is_some());
    assert_eq!(
        call("GET", &token, &repo("/rules/branches/main"), Value::Null)
            .await
            .0,
        200
    );
    assert_eq!(
        call("GET", &token, &repo("/rulesets"), Value::Null).await.0,
        200
    );
    assert_eq!(
        call("PUT", &root, &ruleset, json!({ "name": "renamed" }))
            .await
            .0,
        200
    );
    let protection = json!({
        "required_status_checks": { "strict": true, "contexts": [], "checks": [{ "context": "countersign", "app_id": world.app.id }] },
        "enforce_admins": true,
        "required_pull_request_reviews": { "required_approving_review_count": 1 },
        "restrictions": { "users": ["alice"], "teams": ["finance"], "apps": ["countersign"] },
    });
    assert_eq!(
        call("PUT", &root, &repo("/branches/main/protection"), protection)
            .await
            .0,
        200
    );
    assert_eq!(
        call(
            "GET",
            &token,
            &repo("/branches/main/protection"),
            Value::Null
        )
        .await
        .0,
        200
    );
    assert_eq!(
        call("GET", &token, &repo("/branches/main"), Value::Null)
            .await
            .0,
        200
    );
    assert_eq!(
        call(
            "PUT",
            &token,
            &repo("/pulls/1/merge"),
            json!({ "sha": head })
        )
        .await
        .0,
        405
    );
    assert_eq!(
        call(
            "DELETE",
            &root,
            &repo("/branches/main/protection"),
            Value::Null
        )
        .await
        .0,
        204
    );
    assert_eq!(call("DELETE", &root, &ruleset, Value::Null).await.0, 204);

    sandbox
        .as_user("root")
        .push_files(REPO, "main", &[("c.txt", "c\n")], "Meanwhile", false)
        .unwrap();
    assert_eq!(
        call(
            "PUT",
            &token,
            &repo("/pulls/1/update-branch"),
            json!({ "expected_head_sha": head })
        )
        .await
        .0,
        202
    );
    assert_eq!(
        call("GET", &token, &repo("/pulls/1/merge"), Value::Null)
            .await
            .0,
        404
    );
    assert_eq!(
        call(
            "PUT",
            &token,
            &repo("/pulls/1/merge"),
            json!({ "sha": head })
        )
        .await
        .0,
        409
    );
    assert_eq!(
        call(
            "PUT",
            &token,
            &repo("/pulls/1/merge"),
            json!({ "merge_method": "merge" })
        )
        .await
        .0,
        200
    );
    assert_eq!(
        call("GET", &token, &repo("/pulls/1/merge"), Value::Null)
            .await
            .0,
        204
    );
    assert_eq!(
        call("GET", &token, &repo("/pulls/1"), Value::Null).await.0,
        200
    );

    // What only events tell.
    sandbox
        .as_user("bob")
        .push_files(REPO, "second", &[("d.txt", "1\n")], "D", false)
        .unwrap();
    let second = sandbox
        .as_user("bob")
        .open_pull(REPO, "second", "main", "Second", "")
        .unwrap();
    sandbox
        .as_user("bob")
        .set_draft(REPO, second, true)
        .unwrap();
    sandbox
        .as_user("bob")
        .set_draft(REPO, second, false)
        .unwrap();
    sandbox
        .as_user("bob")
        .push_files(REPO, "second", &[("d.txt", "2\n")], "D2", true)
        .unwrap();
    sandbox
        .as_user("bob")
        .request_review(REPO, second, &["alice"], &[])
        .unwrap();
    sandbox.as_user("bob").close(REPO, second).unwrap();
    sandbox.as_user("bob").reopen(REPO, second).unwrap();
    sandbox
        .as_user("alice")
        .rerequest_check(REPO, run_id)
        .unwrap();
    sandbox
        .as_user("alice")
        .rerequest_suite(REPO, run_id)
        .unwrap();
    sandbox
        .as_user("alice")
        .press_check_button(REPO, run_id, "again")
        .unwrap();
    sandbox
        .as_user("alice")
        .merge(REPO, second, MergeMethod::Squash)
        .unwrap();
    sandbox
        .as_user("bob")
        .delete_branch(REPO, "second")
        .unwrap();
    sandbox.add_team("acme", "Legal", None).unwrap();
    sandbox.add_member("acme", "legal", "bob").unwrap();
    sandbox
        .protect(REPO, "release/*", &json!({ "enforce_admins": true }))
        .unwrap();
    sandbox
        .protect(REPO, "release/*", &json!({ "enforce_admins": false }))
        .unwrap();
    sandbox.remove_member("acme", "treasury", "alice").unwrap();
    sandbox.quiesce().await;

    assert_eq!(
        call("GET", &jwt, "/app/hook/deliveries", Value::Null)
            .await
            .0,
        200
    );
    let (_, list) = call("GET", &jwt, "/app/hook/deliveries?per_page=2", Value::Null).await;
    let delivery = format!("/app/hook/deliveries/{}", list[0]["id"]);
    assert_eq!(call("GET", &jwt, &delivery, Value::Null).await.0, 200);
    assert_eq!(
        call("POST", &jwt, &format!("{delivery}/attempts"), Value::Null)
            .await
            .0,
        202
    );
    assert_eq!(
        call("DELETE", &token, "/installation/token", Value::Null)
            .await
            .0,
        204
    );
    sandbox.quiesce().await;
}

#[tokio::test]
async fn every_answer_is_as_github_describes_it() {
    let world = World::new();
    let (url, _) = endpoint(Arc::new(Mutex::new(200))).await;
    world.sandbox.set_webhook_url(world.app.id, &url).unwrap();
    walk(&world).await;
    let checked = assert_described(&world.sandbox.requests());
    assert!(
        packages().is_none() || checked > 90,
        "only {checked} exchanges"
    );
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
    missing
        .response
        .as_object_mut()
        .unwrap()
        .remove("default_branch");
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
