//! A walk through every route of the sandbox, the refusals included, for the contract tests to judge.
use countersign::sandbox::{MergeMethod, Runners};
use reqwest::Method;
use serde_json::{Value, json};

use crate::sandbox::{REPO, World};

/// Calls every route, and does what only events tell of.
pub(crate) async fn walk(world: &World) {
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
        assert_eq!(call("GET", &token, path, Value::Null).await.0, 200, "{path}");
    }
    let id = sandbox.user_id("alice").unwrap();
    assert_eq!(
        call("GET", &token, &format!("/user/{id}"), Value::Null).await.0,
        200
    );
    assert_eq!(call("GET", &alice, "/user", Value::Null).await.0, 200);
    assert_eq!(
        call("GET", &token, "/orgs/acme/members/alice", Value::Null)
            .await
            .0,
        204
    );
    assert_eq!(call("GET", &token, "/repos/acme/none", Value::Null).await.0, 404);
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
        call("POST", &token, &repo("/git/refs"), created.clone()).await.0,
        201
    );
    assert_eq!(call("POST", &token, &repo("/git/refs"), created).await.0, 422);
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
        call("GET", &token, &repo(&format!("/git/commits/{head}")), Value::Null)
            .await
            .0,
        200
    );
    assert_eq!(
        call("GET", &token, &repo(&format!("/commits/{head}")), Value::Null)
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
        call("GET", &token, &repo(&format!("/git/blobs/{blob}")), Value::Null)
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
    assert_eq!(call("PUT", &token, &repo("/contents/b.txt"), put).await.0, 201);
    let head = sandbox.branch_head(REPO, "topic").unwrap();

    let open = json!({ "head": "topic", "base": "main", "title": "Topic", "body": "words", "draft": false });
    assert_eq!(call("POST", &token, &repo("/pulls"), open.clone()).await.0, 201);
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
        call("DELETE", &token, &repo("/pulls/1/requested_reviewers"), reviewers)
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
        call("PUT", &alice, &review, json!({ "body": "fine" })).await.0,
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
    let issue = json!({ "title": "look at this", "body": "words", "labels": ["alarm"] });
    let (status, issue) = call("POST", &token, &repo("/issues"), issue).await;
    assert_eq!(status, 201);
    let issue = repo(&format!("/issues/{}", issue["number"]));
    assert_eq!(call("GET", &token, &issue, Value::Null).await.0, 200);
    for (query, count) in [
        (
            "?state=all&labels=alarm&sort=created&direction=desc&per_page=100",
            1,
        ),
        ("?labels=another", 0),
        ("?creator=nobody", 0),
    ] {
        let (status, issues) = call("GET", &token, &repo(&format!("/issues{query}")), Value::Null).await;
        assert_eq!(
            (status, issues.as_array().map(Vec::len)),
            (200, Some(count)),
            "{query}"
        );
    }
    assert_eq!(
        call("POST", &token, &repo("/issues"), json!({ "title": " " }))
            .await
            .0,
        422
    );
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
        call("POST", &token, &repo(&format!("/statuses/{head}")), status_body)
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
        call("POST", &token, &repo("/rulesets"), ruleset.clone()).await.0,
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
    assert_eq!(call("GET", &token, &repo("/rulesets"), Value::Null).await.0, 200);
    assert_eq!(
        call("PUT", &root, &ruleset, json!({ "name": "renamed" })).await.0,
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
        call("GET", &token, &repo("/branches/main/protection"), Value::Null)
            .await
            .0,
        200
    );
    assert_eq!(
        call("GET", &token, &repo("/branches/main"), Value::Null).await.0,
        200
    );
    assert_eq!(
        call("PUT", &token, &repo("/pulls/1/merge"), json!({ "sha": head }))
            .await
            .0,
        405
    );
    assert_eq!(
        call("DELETE", &root, &repo("/branches/main/protection"), Value::Null)
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
        call("GET", &token, &repo("/pulls/1/merge"), Value::Null).await.0,
        404
    );
    assert_eq!(
        call("PUT", &token, &repo("/pulls/1/merge"), json!({ "sha": head }))
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
        call("GET", &token, &repo("/pulls/1/merge"), Value::Null).await.0,
        204
    );
    assert_eq!(call("GET", &token, &repo("/pulls/1"), Value::Null).await.0, 200);

    // What only events tell.
    sandbox
        .as_user("bob")
        .push_files(REPO, "second", &[("d.txt", "1\n")], "D", false)
        .unwrap();
    let second = sandbox
        .as_user("bob")
        .open_pull(REPO, "second", "main", "Second", "")
        .unwrap();
    sandbox.as_user("bob").set_draft(REPO, second, true).unwrap();
    sandbox.as_user("bob").set_draft(REPO, second, false).unwrap();
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
    sandbox.as_user("alice").rerequest_check(REPO, run_id).unwrap();
    sandbox.as_user("alice").rerequest_suite(REPO, run_id).unwrap();
    sandbox
        .as_user("alice")
        .press_check_button(REPO, run_id, "again")
        .unwrap();
    sandbox
        .as_user("alice")
        .merge(REPO, second, MergeMethod::Squash)
        .unwrap();
    sandbox.as_user("bob").delete_branch(REPO, "second").unwrap();
    sandbox.add_team("acme", "Legal", None).unwrap();
    sandbox.add_member("acme", "legal", "bob").unwrap();
    sandbox
        .protect(REPO, "release/*", &json!({ "enforce_admins": true }))
        .unwrap();
    sandbox
        .protect(REPO, "release/*", &json!({ "enforce_admins": false }))
        .unwrap();
    sandbox.remove_member("acme", "treasury", "alice").unwrap();
    workflows(world, &token).await;
    sandbox.quiesce().await;

    assert_eq!(
        call("GET", &jwt, "/app/hook/deliveries", Value::Null).await.0,
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
        call("DELETE", &token, "/installation/token", Value::Null).await.0,
        204
    );
    sandbox.quiesce().await;
}

const WORKFLOW: &str = "name: Go\nrun-name: ${{ inputs.name }}\non:\n  workflow_dispatch:\n    inputs:\n      name:\n        \
                        required: true\njobs:\n  go:\n    environment: east\n";

/// Asks for runs of a workflow, lets one in, turns one away, stops one and runs it again.
async fn workflows(world: &World, token: &str) {
    let sandbox = &world.sandbox;
    let call = async |method: Method, path: &str, body: Value| {
        let path = format!("/repos/acme/ops{path}");
        let (status, body, _) = world.send(method, token, &path, body).await;
        (status, body)
    };
    sandbox.add_environment(REPO, "east", &[world.app.id]).unwrap();
    sandbox.set_runners(REPO, Runners::Hold).unwrap();
    sandbox
        .as_user("root")
        .push_files(
            REPO,
            "main",
            &[(".github/workflows/go.yml", WORKFLOW)],
            "Go",
            false,
        )
        .unwrap();
    for path in [
        "/actions/workflows/go.yml",
        "/environments/East/deployment_protection_rules",
    ] {
        assert_eq!(call(Method::GET, path, Value::Null).await.0, 200, "{path}");
    }
    for path in [
        "/actions/workflows/no.yml",
        "/environments/west/deployment_protection_rules",
    ] {
        assert_eq!(call(Method::GET, path, Value::Null).await.0, 404, "{path}");
    }
    let dispatches = "/actions/workflows/go.yml/dispatches";
    let asks = async |inputs: Value| {
        let body = json!({ "ref": "main", "inputs": inputs, "return_run_details": true });
        call(Method::POST, dispatches, body).await
    };
    let quietly = json!({ "ref": "main", "inputs": { "name": "quiet" } });
    assert_eq!(call(Method::POST, dispatches, quietly).await.0, 204);
    for (inputs, why) in [
        (json!({}), "Required input 'name' not provided"),
        (
            json!({ "name": "x", "other": "y" }),
            "Unexpected inputs provided: [\"other\"]",
        ),
        (json!({ "name": "x".repeat(65_536) }), "inputs are too large."),
    ] {
        let (status, answer) = asks(inputs).await;
        assert_eq!((status, &answer["message"]), (422, &json!(why)));
    }
    let nowhere = json!({ "ref": "nowhere", "inputs": { "name": "x" } });
    assert_eq!(call(Method::POST, dispatches, nowhere).await.0, 422);
    let answer = async |run: &Value, state: &str| {
        let body = json!({ "environment_name": "east", "state": state, "comment": "so" });
        let path = format!("/actions/runs/{run}/deployment_protection_rule");
        call(Method::POST, &path, body).await.0
    };
    for state in ["approved", "rejected"] {
        let (status, begun) = asks(json!({ "name": state })).await;
        assert_eq!(status, 200);
        let run = &begun["workflow_run_id"];
        let pending = format!("/actions/runs/{run}/pending_deployments");
        assert_eq!(
            call(Method::GET, &pending, Value::Null).await.1[0]["environment"]["name"],
            "east"
        );
        assert_eq!(answer(run, state).await, 204);
        assert_eq!(answer(run, state).await, 422);
        assert_eq!(call(Method::GET, &pending, Value::Null).await.1, json!([]));
        let (_, found) = call(Method::GET, &format!("/actions/runs/{run}"), Value::Null).await;
        let conclusion = if state == "approved" {
            json!(null)
        } else {
            json!("failure")
        };
        assert_eq!(
            (&found["display_title"], &found["conclusion"]),
            (&json!(state), &conclusion)
        );
        let cancel = format!("/actions/runs/{run}/cancel");
        let stopped = if state == "approved" { 202 } else { 409 };
        assert_eq!(call(Method::POST, &cancel, Value::Null).await.0, stopped);
        let again = format!("/actions/runs/{run}/rerun");
        assert_eq!(call(Method::POST, &again, Value::Null).await.0, 201);
        let first = format!("/actions/runs/{run}/attempts/1");
        assert_eq!(call(Method::GET, &first, Value::Null).await.1["run_attempt"], 1);
        let (_, newest) = call(Method::GET, &format!("/actions/runs/{run}"), Value::Null).await;
        assert_eq!(
            (&newest["run_attempt"], &newest["status"]),
            (&json!(2), &json!("waiting"))
        );
    }
    let (_, all) = call(
        Method::GET,
        "/actions/workflows/go.yml/runs?per_page=2",
        Value::Null,
    )
    .await;
    assert_eq!(
        (
            &all["total_count"],
            all["workflow_runs"].as_array().unwrap().len()
        ),
        (&json!(3), 2)
    );
}
