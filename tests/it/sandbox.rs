//! The sandbox as its users meet it: real Git over HTTP, app tokens, webhooks, faults.
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use countersign::sandbox::{AppCredentials, AppSpec, MergeMethod, Options, Permission, Running, Sandbox};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use serde_json::{Value, json};

pub(crate) const REPO: &str = "acme/ops";

/// An organisation with people, a repository, and an installed app.
pub(crate) struct World {
    pub(crate) sandbox: Running,
    pub(crate) app: AppCredentials,
    pub(crate) installation: u64,
    pub(crate) http: reqwest::Client,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let sandbox = Sandbox::start(options).unwrap();
        sandbox.add_org("acme").unwrap();
        for login in ["alice", "bob", "root"] {
            sandbox.add_user(login).unwrap();
        }
        sandbox.add_org_admin("acme", "root").unwrap();
        sandbox.add_team("acme", "Finance", None).unwrap();
        sandbox.add_team("acme", "Treasury", Some("finance")).unwrap();
        sandbox.add_member("acme", "treasury", "alice").unwrap();
        sandbox.invite_member("acme", "finance", "bob").unwrap();
        sandbox
            .add_repo(
                REPO,
                &[("README.md", "# Operations\n"), ("policies/a.yaml", "a: 1\n")],
            )
            .unwrap();
        sandbox.set_permission(REPO, "alice", Permission::Write).unwrap();
        sandbox.set_permission(REPO, "bob", Permission::Write).unwrap();
        let permissions = [
            "contents",
            "pull_requests",
            "checks",
            "issues",
            "statuses",
            "actions",
            "deployments",
        ]
        .map(|name| (name.to_owned(), "write".to_owned()))
        .into_iter()
        .chain([("members", "read"), ("administration", "read")].map(|(a, b)| (a.to_owned(), b.to_owned())))
        .collect();
        let app = sandbox
            .create_app(AppSpec {
                slug: "countersign".to_owned(),
                owner: "acme".to_owned(),
                permissions,
                events: Vec::new(),
                webhook_url: None,
            })
            .unwrap();
        let installation = sandbox.install(app.id, "acme", &[REPO]).unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            sandbox,
            app,
            installation,
            http,
        }
    }

    pub(crate) fn jwt(&self) -> String {
        self.jwt_at(self.sandbox.clock().now().as_second())
    }

    fn jwt_at(&self, now: i64) -> String {
        let claims = json!({ "iss": self.app.id.to_string(), "iat": now - 30, "exp": now + 300 });
        let key = EncodingKey::from_rsa_pem(self.app.private_key_pem.as_bytes()).unwrap();
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).unwrap()
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        token: &str,
        path: &str,
        body: Value,
    ) -> (u16, Value, reqwest::header::HeaderMap) {
        let url = format!("{}{path}", self.sandbox.api_url());
        let mut request = self.http.request(method, url).bearer_auth(token);
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::Null),
            headers,
        )
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> (u16, Value) {
        let (status, body, _) = self.send(Method::GET, token, path, Value::Null).await;
        (status, body)
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: Value) -> (u16, Value) {
        let (status, body, _) = self.send(Method::POST, token, path, body).await;
        (status, body)
    }

    pub(crate) fn token(&self) -> String {
        self.sandbox.installation_token(self.installation).unwrap()
    }

    pub(crate) fn remote(&self, token: &str) -> String {
        self.sandbox
            .url()
            .replace("http://", &format!("http://x-access-token:{token}@"))
            + "/acme/ops.git"
    }
}

pub(crate) fn git(dir: &Path, args: &[&str]) -> Output {
    Command::new("git")
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_AUTHOR_NAME", "alice")
        .env("GIT_AUTHOR_EMAIL", "alice@example.com")
        .env("GIT_COMMITTER_NAME", "alice")
        .env("GIT_COMMITTER_EMAIL", "alice@example.com")
        .output()
        .unwrap()
}

#[track_caller]
pub(crate) fn git_ok(dir: &Path, args: &[&str]) -> String {
    let output = git(dir, args);
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// An endpoint that keeps what it is sent.
pub(crate) async fn endpoint(
    status: Arc<Mutex<u16>>,
) -> (String, Arc<Mutex<Vec<(http::HeaderMap, Vec<u8>)>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keeping = Arc::clone(&seen);
    let router = axum::Router::new().fallback(move |headers: http::HeaderMap, body: axum::body::Bytes| {
        let (keeping, status) = (Arc::clone(&keeping), Arc::clone(&status));
        async move {
            keeping.lock().unwrap().push((headers, body.to_vec()));
            http::StatusCode::from_u16(*status.lock().unwrap()).unwrap()
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, seen)
}

#[tokio::test]
async fn an_app_authenticates_and_stays_within_its_grant() {
    let world = World::new();
    let jwt = world.jwt();
    let (status, app) = world.get(&jwt, "/app").await;
    assert_eq!((status, app["slug"].as_str()), (200, Some("countersign")));
    let (_, found) = world.get(&jwt, "/repos/acme/ops/installation").await;
    assert_eq!(found["id"], world.installation);
    let path = format!("/app/installations/{}/access_tokens", world.installation);
    let (status, narrow) = world
        .post(&jwt, &path, json!({ "permissions": { "contents": "read" } }))
        .await;
    assert_eq!(status, 201);
    let narrow = narrow["token"].as_str().unwrap().to_owned();
    assert_eq!(
        world.get(&narrow, "/repos/acme/ops/contents/README.md").await.0,
        200
    );
    let (status, refusal) = world.get(&narrow, "/repos/acme/ops/pulls").await;
    assert_eq!(
        (status, refusal["message"].as_str()),
        (403, Some("Resource not accessible by integration"))
    );
    let (status, _) = world
        .post(&jwt, &path, json!({ "permissions": { "secrets": "write" } }))
        .await;
    assert_eq!(status, 422);
    world.sandbox.clock().advance(jiff::SignedDuration::from_mins(61));
    assert_eq!(world.get(&narrow, "/repos/acme/ops").await.0, 401);
    assert_eq!(
        world.get(&jwt, "/app").await.0,
        200,
        "still good by the machine's clock"
    );
    let stale = world.jwt_at(jiff::Timestamp::now().as_second() - 3600);
    assert_eq!(world.get(&stale, "/app").await.0, 401);
}

#[tokio::test]
async fn teams_count_children_and_tell_who_is_pending() {
    let world = World::new();
    let token = world.token();
    let membership = async |team: &str, login: &str| {
        world
            .get(&token, &format!("/orgs/acme/teams/{team}/memberships/{login}"))
            .await
    };
    assert_eq!(membership("finance", "alice").await.1["state"], "active");
    assert_eq!(membership("finance", "bob").await.1["state"], "pending");
    assert_eq!(membership("treasury", "bob").await.0, 404);
    let (_, members) = world.get(&token, "/orgs/acme/teams/finance/members").await;
    assert_eq!(members.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn approvals_move_with_a_force_push_and_merges_are_strict() {
    let world = World::new();
    let sandbox = &world.sandbox;
    let token = world.token();
    let first = sandbox
        .as_user("bob")
        .push_files(REPO, "topic", &[("a.txt", "1\n")], "One", false)
        .unwrap();
    let body = json!({ "head": "topic", "base": "main", "title": "Topic", "body": "words" });
    let (status, pull) = world.post(&token, "/repos/acme/ops/pulls", body.clone()).await;
    assert_eq!(
        (status, pull["number"].as_u64(), pull["mergeable"].as_bool()),
        (201, Some(1), Some(true))
    );
    let (status, again) = world.post(&token, "/repos/acme/ops/pulls", body).await;
    assert_eq!(status, 422);
    assert!(
        again["errors"][0]["message"]
            .as_str()
            .unwrap()
            .starts_with("A pull request already exists for acme:topic")
    );

    let (status, own) = world
        .post(
            &token,
            "/repos/acme/ops/pulls/1/reviews",
            json!({ "event": "APPROVE" }),
        )
        .await;
    assert_eq!(
        (status, own["errors"][0].as_str()),
        (422, Some("Can not approve your own pull request"))
    );
    sandbox.as_user("alice").approve(REPO, 1).unwrap();
    assert_eq!(sandbox.reviews(REPO, 1).unwrap()[0]["commit_id"], first.as_str());
    let second = sandbox
        .as_user("bob")
        .push_files(REPO, "topic", &[("a.txt", "2\n")], "Two", true)
        .unwrap();
    assert_eq!(sandbox.reviews(REPO, 1).unwrap()[0]["commit_id"], second.as_str());
    let (_, activity) = world.get(&token, "/repos/acme/ops/activity?ref=topic").await;
    assert_eq!(activity[0]["activity_type"], "force_push");
    assert_eq!(activity[0]["before"], first.as_str());

    let merge = "/repos/acme/ops/pulls/1/merge";
    let (status, _, _) = world
        .send(Method::PUT, &token, merge, json!({ "sha": first }))
        .await;
    assert_eq!(status, 409);
    let (status, merged, _) = world
        .send(Method::PUT, &token, merge, json!({ "sha": second }))
        .await;
    assert_eq!(status, 200, "{merged}");
    let (_, commit) = world
        .get(
            &token,
            &format!("/repos/acme/ops/commits/{}", merged["sha"].as_str().unwrap()),
        )
        .await;
    assert_eq!(commit["parents"][1]["sha"], second.as_str());
    let (status, _, _) = world.send(Method::PUT, &token, merge, json!({})).await;
    assert_eq!(status, 405);
}

#[tokio::test]
async fn protection_holds_for_all_but_those_it_names() {
    let world = World::new();
    let sandbox = &world.sandbox;
    sandbox.protect(REPO, "main", &json!({
        "required_status_checks": { "strict": false, "checks": [{ "context": "countersign", "app_id": world.app.id }] },
        "enforce_admins": false, "required_pull_request_reviews": null, "restrictions": null,
    })).unwrap();
    let head = sandbox
        .as_user("bob")
        .push_files(REPO, "topic", &[("a.txt", "1\n")], "One", false)
        .unwrap();
    let number = sandbox
        .as_user("bob")
        .open_pull(REPO, "topic", "main", "Topic", "")
        .unwrap();
    sandbox
        .as_user("bob")
        .set_status(REPO, &head, "countersign", "success")
        .unwrap();
    let refused = sandbox
        .as_user("alice")
        .merge(REPO, number, MergeMethod::Merge)
        .unwrap_err();
    assert_eq!(
        refused.refusal().unwrap().0,
        405,
        "a status by a person is not the app's check"
    );
    let body = json!({ "name": "countersign", "head_sha": head, "conclusion": "success", "output": { "title": "Go", "summary": "ok" } });
    assert_eq!(
        world
            .post(&world.token(), "/repos/acme/ops/check-runs", body)
            .await
            .0,
        201
    );
    sandbox
        .as_user("alice")
        .merge(REPO, number, MergeMethod::Squash)
        .unwrap();
    sandbox
        .as_user("bob")
        .push_files(REPO, "other", &[("b.txt", "1\n")], "Two", false)
        .unwrap();
    let other = sandbox
        .as_user("bob")
        .open_pull(REPO, "other", "main", "Other", "")
        .unwrap();
    sandbox
        .as_user("root")
        .merge(REPO, other, MergeMethod::Rebase)
        .unwrap();
}

#[tokio::test]
async fn accounts_change_names_and_go() {
    let world = World::new();
    let sandbox = &world.sandbox;
    sandbox
        .as_user("bob")
        .push_files(REPO, "topic", &[("a.txt", "1\n")], "One", false)
        .unwrap();
    sandbox
        .as_user("bob")
        .open_pull(REPO, "topic", "main", "Topic", "")
        .unwrap();
    sandbox.as_user("alice").approve(REPO, 1).unwrap();
    sandbox.rename_user("alice", "alicia").unwrap();
    assert_eq!(sandbox.reviews(REPO, 1).unwrap()[0]["user"]["login"], "alicia");
    sandbox.delete_user("alicia").unwrap();
    assert!(sandbox.reviews(REPO, 1).unwrap()[0]["user"].is_null());
    let (_, commits) = world.get(&world.token(), "/repos/acme/ops/pulls/1/commits").await;
    assert_eq!(commits[0]["author"]["login"], "bob");
    sandbox.delete_user("bob").unwrap();
    let (_, commits) = world.get(&world.token(), "/repos/acme/ops/pulls/1/commits").await;
    assert!(commits[0]["author"].is_null());
}
