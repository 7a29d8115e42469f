//! The sandbox's pages, used as a browser uses them: forms, cookies, no scripts.
use crate::sandbox::{REPO, World};
use serde_json::json;

struct Browser<'a> {
    world: &'a World,
    http: reqwest::Client,
    cookie: String,
}

impl<'a> Browser<'a> {
    fn new(world: &'a World) -> Self {
        let none = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(none)
            .build()
            .unwrap();
        Self {
            world,
            http,
            cookie: String::new(),
        }
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let request = self.http.get(format!("{}{path}", self.world.sandbox.url()));
        let answer = request.header("cookie", &self.cookie).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn post(&mut self, origin: &str, path: &str, form: &[(&str, &str)]) -> (u16, String) {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let answer = self
            .http
            .post(format!("{}{path}", self.world.sandbox.url()))
            .header("cookie", &self.cookie)
            .header("origin", origin)
            .body(body)
            .send()
            .await
            .unwrap();
        if let Some(cookie) = answer.headers().get("set-cookie") {
            self.cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        }
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

const BODY: &str =
    "Pay **ACME**\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n<script>alert(1)</script> [x](javascript:alert(1))";

fn open(world: &World) -> u64 {
    let bob = world.sandbox.as_user("bob");
    bob.push_files(
        REPO,
        "topic",
        &[("README.md", "# Ops <b>\n")],
        "Change <it>",
        false,
    )
    .unwrap();
    bob.open_pull(REPO, "topic", "main", "Pay <ACME>", BODY).unwrap()
}

#[tokio::test]
async fn a_pull_request_reads_well_and_nothing_in_it_runs() {
    let world = World::new();
    let n = open(&world);
    let browser = Browser::new(&world);
    let (status, page) = browser.get(&format!("/acme/ops/pull/{n}")).await;
    assert_eq!(status, 200);
    for part in [
        "Pay &lt;ACME&gt;",
        "<strong>ACME</strong>",
        "<table>",
        "&lt;script&gt;",
        "<html lang=\"en\">",
        "<main id=\"content\">",
        "+# Ops &lt;b&gt;",
    ] {
        assert!(page.contains(part), "`{part}` is missing");
    }
    assert!(!page.contains("<script") && !page.contains("href=\"javascript"));
    for path in [
        "/",
        "/acme/ops/pulls",
        "/acme/ops/pulls?state=closed",
        "/acme/ops/commits/main",
        "/acme/ops/commit/topic",
    ] {
        assert_eq!(browser.get(path).await.0, 200, "{path}");
    }
    assert_eq!(browser.get("/acme/ops/blob/topic/README.md").await.0, 200);
    assert_eq!(browser.get("/acme/ops/pull/77").await.0, 404);
}

#[tokio::test]
async fn people_sign_in_review_and_merge_by_forms() {
    let world = World::new();
    let n = open(&world);
    let here = world.sandbox.url();
    let review = format!("/acme/ops/pull/{n}/review");
    let mut browser = Browser::new(&world);
    assert_eq!(browser.post(&here, &review, &[("event", "APPROVE")]).await.0, 401);
    assert_eq!(
        browser
            .post(&here, "/sign-in", &[("login", "alice"), ("back", "/")])
            .await
            .0,
        303
    );
    assert_eq!(
        browser
            .post("http://elsewhere.example", &review, &[("event", "APPROVE")])
            .await
            .0,
        403
    );
    assert!(world.sandbox.reviews(REPO, n).unwrap().is_empty());
    assert_eq!(
        browser
            .post(&here, &review, &[("event", "APPROVE"), ("body", "fine")])
            .await
            .0,
        303
    );
    assert_eq!(world.sandbox.reviews(REPO, n).unwrap()[0]["state"], "APPROVED");
    assert_eq!(
        browser
            .post(&here, &review, &[("event", "ISSUE_COMMENT"), ("body", "hello")])
            .await
            .0,
        303
    );
    let (status, page) = browser
        .post(&here, &review, &[("event", "REQUEST_CHANGES"), ("body", "")])
        .await;
    assert!(
        status == 422 && page.contains("role=\"alert\"") && page.contains("Body can"),
        "{status}"
    );

    world
        .sandbox
        .protect(
            REPO,
            "main",
            &json!({ "required_status_checks": { "contexts": ["ci"] } }),
        )
        .unwrap();
    let merge = format!("/acme/ops/pull/{n}/merge");
    let sha = world.sandbox.branch_head(REPO, "topic").unwrap();
    let form = [("sha", sha.as_str()), ("method", "merge")];
    let (status, page) = browser.post(&here, &merge, &form).await;
    assert!(
        status == 405 && page.contains("Required status check"),
        "{status}"
    );
    world.sandbox.unprotect(REPO, "main").unwrap();
    assert_eq!(browser.post(&here, &merge, &form).await.0, 303);
    assert!(
        browser
            .get(&format!("/acme/ops/pull/{n}"))
            .await
            .1
            .contains("state merged")
    );
}
