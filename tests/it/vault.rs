//! A target that answers with what it was given, sensitive values and all, and a world whose agents may use it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Json,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

use crate::world::Setup;

/// What is sensitive.
pub(crate) const SECRET: &str = "GB33BUKB20201555555555";

/// How the vault answers next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Json,
    Text,
    Refuses,
}

#[derive(Clone)]
pub(crate) struct Vault {
    mood: Arc<Mutex<Mood>>,
    /// How often it was asked to stamp something.
    stamps: Arc<AtomicUsize>,
    url: String,
}

impl Vault {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let vault = Self {
            mood: Arc::new(Mutex::new(Mood::Json)),
            stamps: Arc::default(),
            url: format!("http://{}", listener.local_addr().unwrap()),
        };
        let mood = Arc::clone(&vault.mood);
        let keep = move |headers: HeaderMap, body: String| async move {
            assert!(headers.contains_key("idempotency-key"));
            let asked: Value = serde_json::from_str(&body).unwrap();
            answer(*mood.lock().unwrap(), &asked)
        };
        let look = || async {
            Json(json!({
                "before": { "held": 0 }, "after": { "held": 1 },
                "affected": { "count": 1, "audience": "the vault", "deltas": { "held": "+1" }, "sample": [] },
            }))
        };
        let stamps = Arc::clone(&vault.stamps);
        // Whoever asks first waits for nothing: it dies before.
        let stamp = move || async move {
            match stamps.fetch_add(1, Ordering::SeqCst) {
                0 => std::future::pending().await,
                _ => Json(json!({ "stamped": true })),
            }
        };
        let routes = axum::Router::new()
            .route("/stamps", axum::routing::post(stamp))
            .route("/vault/{name}", axum::routing::get(look))
            .route("/vault", axum::routing::post(keep));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        vault
    }

    pub(crate) fn says(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// How often it was asked to stamp something.
    pub(crate) fn stamps(&self) -> usize {
        self.stamps.load(Ordering::SeqCst)
    }

    /// The same world, in which what is kept is stamped then.
    pub(crate) fn setup_of_steps(&self) -> Setup {
        let mut setup = self.setup();
        let (_, _, actions) = &mut setup.edits[0];
        let (front, rest) = actions.split_once("execute: { http: ").unwrap();
        let (keeps, rest) = rest.split_once(" }\n").unwrap();
        let stamps = format!(
            "{{ method: POST, url: \"{}/stamps\", allow_private: true, idempotency_header: Idempotency-Key }}",
            self.url
        );
        *actions = leaked(format!(
            "{front}execute: {{ steps: [{{ name: keep, http: {keeps} }}, {{ name: stamp, http: {stamps} }}] }}\n{rest}"
        ));
        setup
    }

    /// A world with two more actions: `vault.keep`, of medium tier, and `vault.note`, of low tier.
    pub(crate) fn setup(&self) -> Setup {
        let action = |name: &str, impact: &str, observe: bool| {
            let url = &self.url;
            let observe = match observe {
                true => format!(
                    "    observe: {{ http: {{ method: GET, url: \"{url}/vault/{{name}}\", allow_private: true, before: /before, \
                     after: /after, affected: {{ count: /affected/count, audience: /affected/audience, deltas: /affected/deltas, \
                     sample: /affected/sample }} }} }}\n"
                ),
                false => String::new(),
            };
            format!(
                "  {name}:\n    summary: Keep a value\n    resource: /vault/{{name}}\n    impact: {impact}\n    data: [internal]\n    \
                 rollback: {{ kind: restore }}\n    raci: {{ responsible: payments-agent, accountable: finance }}\n    params:\n      \
                 type: object\n      required: [name]\n      properties: {{ name: {{ type: string, maxLength: 40 }}, value: {{ type: \
                 string }} }}\n    describe: \"Keep {{{{ params.name }}}}\"\n    checks: []\n    sensitive: [params.value]\n{observe}    \
                 execute: {{ http: {{ method: POST, url: \"{url}/vault\", allow_private: true, idempotency_header: Idempotency-Key, \
                 body: {{ name: \"${{params.name}}\", value: \"${{params.value}}\" }} }} }}\n"
            )
        };
        let actions = format!(
            "actions:\n{}{}",
            action("vault.keep", "moderate", true),
            action("vault.note", "low", false)
        );
        Setup {
            edits: vec![
                ("catalog.yaml", "actions:\n", leaked(actions)),
                (
                    "CODEOWNERS",
                    "/crm/ ",
                    "/vault/ @acme/treasury @acme/marketing\n/crm/ ",
                ),
                (
                    "agents.yaml",
                    "actions: [payments.create]",
                    "actions: [payments.create, vault.keep, vault.note]",
                ),
            ],
            ..Setup::default()
        }
    }
}

/// Edits of files are as long-lived as the tests.
pub(crate) fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn answer(mood: Mood, asked: &Value) -> Response {
    match mood {
        Mood::Json => (StatusCode::CREATED, Json(json!({ "kept": asked }))).into_response(),
        Mood::Text => {
            let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            (StatusCode::OK, kind, format!("kept\n{asked}\0")).into_response()
        }
        Mood::Refuses => {
            let no = json!({ "error": format!("will not keep {}", asked["value"]) });
            (StatusCode::UNPROCESSABLE_ENTITY, Json(no)).into_response()
        }
    }
}

/// A value to be kept, of medium tier.
pub(crate) fn keep() -> Value {
    json!({
        "operation": "vault.keep", "sponsor": "carol", "justification": "It has to be somewhere.",
        "parameters": { "name": "account", "value": SECRET },
    })
}

/// The same without anything sensitive, of low tier.
pub(crate) fn jot() -> Value {
    json!({
        "operation": "vault.note", "sponsor": "carol", "justification": "It has to be somewhere.",
        "parameters": { "name": "account" },
    })
}
