//! Callbacks: signed, at least once, in order, to no address that the policy does not allow, and waited for by nobody.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::http::{HeaderMap, StatusCode};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::{Value, json};

use crate::{
    vault::leaked,
    world::{Opened, REPO, Setup, World, note, story_with},
};

/// How the receiver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Takes,
    Fails,
    /// Takes it, and the answer is lost.
    TakesAndFails,
    Redirects,
    Sleeps,
}

/// An agent that listens.
#[derive(Clone)]
pub(crate) struct Listener {
    heard: Arc<Mutex<Vec<(HeaderMap, String)>>>,
    asked: Arc<Mutex<usize>>,
    mood: Arc<Mutex<Mood>>,
    pub(crate) url: String,
}

impl Listener {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listening = Self {
            heard: Arc::default(),
            asked: Arc::default(),
            mood: Arc::new(Mutex::new(Mood::Takes)),
            url: format!("http://{}/hooks/agent", listener.local_addr().unwrap()),
        };
        let ears = listening.clone();
        let hear = move |headers: HeaderMap, body: String| async move {
            *ears.asked.lock().unwrap() += 1;
            let mood = *ears.mood.lock().unwrap();
            if matches!(mood, Mood::Takes | Mood::TakesAndFails) {
                ears.heard.lock().unwrap().push((headers, body));
            }
            match mood {
                Mood::Takes => (StatusCode::NO_CONTENT, HeaderMap::new()),
                Mood::Fails | Mood::TakesAndFails => (StatusCode::INTERNAL_SERVER_ERROR, HeaderMap::new()),
                Mood::Redirects => {
                    let there = [("location".parse().unwrap(), "/elsewhere".parse().unwrap())];
                    (StatusCode::TEMPORARY_REDIRECT, there.into_iter().collect())
                }
                Mood::Sleeps => std::future::pending().await,
            }
        };
        let routes = axum::Router::new().route("/hooks/agent", axum::routing::post(hear));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        listening
    }

    pub(crate) fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
    pub(crate) fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
    /// The bodies that were taken, as they came.
    pub(crate) fn bodies(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard.iter().map(|(_, body)| body.clone()).collect()
    }
    fn events(&self) -> Vec<Value> {
        let bodies = self.bodies();
        bodies
            .iter()
            .map(|body| serde_json::from_str(body).unwrap())
            .collect()
    }
    /// What was told of a proposal, in order.
    fn told(&self, of: &str) -> Vec<String> {
        let events = self.events();
        let ours = events.iter().filter(|event| event["subject"] == json!(of));
        ours.map(|event| {
            let kind = event["type"].as_str().unwrap();
            kind.strip_prefix("countersign.proposal.").unwrap().to_owned()
        })
        .collect()
    }

    /// Where an agent is called back.
    pub(crate) fn of(&self, agent: &str, setup: Setup) -> Setup {
        calling(
            agent,
            &format!("callback_url: {}\n    callback_private: true", self.url),
            setup,
        )
    }
}

fn calling(agent: &str, lines: &str, mut setup: Setup) -> Setup {
    let from = format!("  {agent}:\n");
    setup.edits.push((
        "agents.yaml",
        leaked(from.clone()),
        leaked(format!("{from}    {lines}\n")),
    ));
    setup
}

async fn with_listener(tell: impl AsyncFnOnce(&mut World, &Listener)) {
    let listener = Listener::start().await;
    let setup = listener.of("payments-agent", Setup::default());
    story_with(setup, async |world| tell(world, &listener).await).await;
}

async fn approved(world: &mut World) -> Opened {
    let payment = world.payment().await;
    world.approve("alice", &payment).await;
    world.approve("bob", &payment).await;
    assert_eq!(world.state(&payment).await, "executed");
    payment
}

/// The key that callbacks are signed with, as anybody may fetch it.
async fn published(world: &World) -> VerifyingKey {
    let (status, keys) = world
        .raw("GET", "/.well-known/callback-keys.json", &[], Vec::new())
        .await;
    assert_eq!(status, 200, "{keys}");
    let keys = keys["keys"].as_array().unwrap().clone();
    let ours = |key: &&Value| key["kid"].as_str().unwrap().starts_with("callback-");
    let key = keys.iter().find(ours).unwrap();
    assert_eq!((&key["kty"], &key["crv"]), (&json!("OKP"), &json!("Ed25519")));
    let x = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(key["x"].as_str().unwrap())
        .unwrap();
    VerifyingKey::from_bytes(&x.try_into().unwrap()).unwrap()
}

/// Standard Webhooks, as a receiver checks it.
fn is_signed(headers: &HeaderMap, body: &str, key: &VerifyingKey) -> bool {
    let header = |name: &str| headers[name].to_str().unwrap();
    let signed = format!("{}.{}.{body}", header("webhook-id"), header("webhook-timestamp"));
    let signature = header("webhook-signature").strip_prefix("v1a,").unwrap();
    let signature = Signature::from_slice(&BASE64.decode(signature).unwrap()).unwrap();
    key.verify_strict(signed.as_bytes(), &signature).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_told_when_its_proposal_opens_needs_changes_and_ends_and_can_check_who_says_so() {
    with_listener(async |world, listener| {
        let payment = world.payment().await;
        world
            .person("alice")
            .request_changes(REPO, payment.pull, "the reference is wrong")
            .unwrap();
        world.settle().await;
        world
            .person("mallory")
            .request_changes(REPO, payment.pull, "nobody asked")
            .unwrap();
        world.settle().await;
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(
            listener.told(&payment.id),
            ["open", "changes_requested", "executed"]
        );
        let key = published(world).await;
        for (headers, body) in listener.heard.lock().unwrap().iter() {
            assert!(is_signed(headers, body, &key));
            assert!(!is_signed(
                headers,
                &body.replace("executed", "denied").replace("open", "shut"),
                &key
            ));
            assert_eq!(headers["content-type"], "application/cloudevents+json");
            let event: Value = serde_json::from_str(body).unwrap();
            assert_eq!(
                headers["webhook-id"].to_str().unwrap(),
                event["id"].as_str().unwrap()
            );
            assert_eq!(
                (&event["specversion"], &event["source"]),
                (&json!("1.0"), &json!(format!("countersign/{REPO}")))
            );
            assert!(!body.contains("DE89370400440532013000"), "{body}");
        }
        let last = listener.events().pop().unwrap();
        assert_eq!(last["data"], world.status(payment.agent, &payment.id).await);
        // Others' proposals are no business of its own.
        let campaign = world.campaign().await;
        world.person("dave").close(REPO, campaign.pull).unwrap();
        world.settle().await;
        assert_eq!(listener.events().len(), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_low_tier_proposal_s_answer_is_the_answer() {
    let listener = Listener::start().await;
    let setup = listener.of("support-agent", Setup::default());
    story_with(setup, async |world| {
        let (status, told) = world.propose("support-agent", note()).await;
        assert_eq!((status, &told["state"]), (201, &json!("executed")));
        world.sweep().await;
        assert_eq!(listener.asked(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_outlasts_failures_lost_answers_and_crashes_and_is_the_same_event_each_time() {
    with_listener(async |world, listener| {
        listener.is(Mood::Fails);
        let payment = world.payment().await;
        assert!(listener.asked() >= 1);
        listener.is(Mood::TakesAndFails);
        world.both_later(Duration::from_secs(600));
        world.sweep().await;
        world.crash();
        listener.is(Mood::Takes);
        world.start().await.unwrap();
        world.sweep().await;
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        world.sweep().await;
        let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in listener.events() {
            let (id, kind) = (event["id"].as_str().unwrap(), event["type"].as_str().unwrap());
            ids.entry(kind.to_owned()).or_default().push(id.to_owned());
        }
        let told = listener.told(&payment.id);
        let [first @ .., last] = told.as_slice() else {
            panic!("{told:?}")
        };
        assert!(
            first.len() >= 2 && first.iter().all(|kind| kind == "open") && last == "executed",
            "{told:?}"
        );
        for (kind, mut of) in ids {
            of.dedup();
            assert_eq!(of.len(), 1, "{kind}: one event has one id");
        }
        // Taken once, it is told no more.
        let before = listener.asked();
        world.both_later(Duration::from_secs(600));
        world.sweep().await;
        world.restart().await;
        world.sweep().await;
        assert_eq!(listener.asked(), before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_tell_an_agent_once() {
    with_listener(async |world, listener| {
        let other = world.replica("replica").await;
        world.work(&other);
        let payment = approved(world).await;
        other.sweep().await;
        world.sweep().await;
        other.idle().await;
        world.settle().await;
        assert_eq!(listener.told(&payment.id), ["open", "executed"]);
        other.stopping().begin();
        other.tasks().idle().await;
        other.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_agents_that_do_not_answer() {
    let (deaf, other) = (Listener::start().await, Listener::start().await);
    deaf.is(Mood::Sleeps);
    let setup = deaf.of("payments-agent", other.of("campaign-agent", Setup::default()));
    story_with(setup, async |world| {
        let (status, told) = world.propose("payments-agent", crate::world::payment()).await;
        assert_eq!(status, 202);
        let id = told["id"].as_str().unwrap().to_owned();
        // The call hangs, and meanwhile everything else goes on: another agent's proposal opens, runs, and is told of.
        let (status, told) = world.propose("campaign-agent", crate::world::campaign()).await;
        assert_eq!(status, 202, "{told}");
        let campaign = told["id"].as_str().unwrap().to_owned();
        while other.told(&campaign).is_empty() || deaf.asked() == 0 {
            tokio::task::yield_now().await;
        }
        let pull = world.status("campaign-agent", &campaign).await["pull_request"]
            .as_u64()
            .unwrap();
        world.both_later(Duration::from_secs(2));
        world.person("dave").approve(REPO, pull).unwrap();
        while other.told(&campaign) != ["open", "executed"] {
            tokio::task::yield_now().await;
        }
        assert_eq!(deaf.told(&id), Vec::<String>::new());
        deaf.is(Mood::Takes);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_took_for_a_day_is_told_no_more_and_what_comes_after_is() {
    with_listener(async |world, listener| {
        listener.is(Mood::Fails);
        let old = world.payment().await;
        world.person("alice").close(REPO, old.pull).unwrap();
        world.settle().await;
        world.both_later(Duration::from_secs(25 * 3_600));
        listener.is(Mood::Takes);
        world.sweep().await;
        let new = approved(world).await;
        assert_eq!(listener.told(&old.id), Vec::<String>::new());
        assert_eq!(listener.told(&new.id), ["open", "executed"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i23_a_callback_follows_no_redirect() {
    with_listener(async |world, listener| {
        listener.is(Mood::Redirects);
        let payment = approved(world).await;
        assert!(listener.asked() >= 1);
        assert_eq!(listener.told(&payment.id), Vec::<String>::new());
    })
    .await;
}

#[test]
fn i23_the_policy_says_where_an_agent_is_called_and_that_is_no_private_address() {
    use countersign::domain::{policy::compile, source::SourceFile};
    let files = |line: &str| {
        let agents = include_str!("../policies/agents.yaml");
        let agents = agents.replace("  payments-agent:\n", &format!("  payments-agent:\n    {line}\n"));
        [
            ("catalog.yaml", include_str!("../policies/catalog.yaml")),
            ("tiers.yaml", include_str!("../policies/tiers.yaml")),
            ("CODEOWNERS", include_str!("../policies/CODEOWNERS")),
            ("people.yaml", include_str!("../policies/people.yaml")),
            ("agents.yaml", agents.as_str()),
        ]
        .map(|(path, text)| SourceFile::new(path, text))
    };
    assert!(compile(&files("callback_url: https://agent.example/hooks?token=1")).is_ok());
    for (line, why) in [
        ("callback_url: http://agent.example/hooks", "https"),
        ("callback_url: https://127.0.0.1/hooks", "callback_private: true"),
        ("callback_url: https://localhost/hooks", "callback_private: true"),
        ("callback_url: https://169.254.169.254/hooks", "169.254.169.254"),
        ("callback_url: https://user:word@agent.example/hooks", "user name"),
        ("callback_url: https://agent.example/{id}", "no parameters"),
        ("callback_url: agent.example", "is not a URL"),
    ] {
        let errors = compile(&files(line)).unwrap_err();
        let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(said.len() == 1 && said[0].contains(why), "{line}: {said:?}");
        assert!(said[0].contains("agents.yaml:"), "{said:?}");
    }
}
