//! Attacks through the front door: words, secrets, forged records.

use std::{
    io::Write as _,
    sync::{Arc, Mutex, OnceLock},
};

use countersign::{
    domain::{
        authentic::{Committer, payload, signed},
        canonical::canonical,
        ids::Sha,
    },
    ledger::Signer,
};
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    credentials::{CREDENTIAL, Strict, paying},
    world::{REPO, World, git, payment, story, story_with},
};

/// Everything that the bot says to its operator, from the first test that listens on.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    /// Begins to listen. Other tests of this process are heard too, which only makes it harder.
    pub(crate) fn begin() -> Self {
        static HEARD: OnceLock<Heard> = OnceLock::new();
        let begin = || {
            let heard = Self::default();
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_ansi(false)
                .with_writer(heard.clone())
                .try_init()
                .unwrap();
            heard
        };
        HEARD.get_or_init(begin).clone()
    }

    pub(crate) fn all(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl std::io::Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Heard {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

const CRM: &str = "the-crm-s-very-own-token";
const IBAN: &str = "DE89370400440532013000";

pub(crate) fn every_object(world: &World) -> String {
    let dir = world.github.git_dir(REPO).unwrap();
    let out = std::process::Command::new("git")
        .current_dir(dir)
        .args(["cat-file", "--batch-all-objects", "--batch", "--unordered"])
        .output()
        .unwrap();
    assert!(out.status.success());
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn i29_secrets_appear_nowhere() {
    let heard = Heard::begin();
    let strict = Strict::start().await;
    let mut setup = paying(&strict, CREDENTIAL);
    let note = "        idempotency_header: Idempotency-Key\n        # A leaf";
    let with = "        auth: { bearer: { env: COUNTERSIGN_SECRET_CRM } }\n        idempotency_header: Idempotency-Key\n        # A leaf";
    setup.edits.push(("catalog.yaml", note, with));
    setup.target_secrets = vec![("COUNTERSIGN_SECRET_CRM", CRM)];
    story_with(setup, async |world| {
        strict.trust(world);
        let (status, _) = world.propose("support-agent", crate::world::note()).await;
        assert_eq!(status, 201);
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "executed");
        assert!(world.targets.bank().effects()[0].what.contains("12,500.00"));
        let mut secrets = vec![IBAN.to_owned(), world.app.webhook_secret.clone(), CRM.to_owned()];
        for token in strict.tokens() {
            secrets.extend(
                token
                    .rsplit('.')
                    .map(str::to_owned)
                    .filter(|part| part.len() > 60),
            );
        }
        let keys = std::fs::read_to_string(world.data.path().join("bot/credential-keys.json")).unwrap();
        let keys: Value = serde_json::from_str(&keys).unwrap();
        secrets.push(keys["keys"][0]["private"].as_str().unwrap().to_owned());
        for name in ["gate", "executor", "app.pem"] {
            let text = std::fs::read_to_string(world.data.path().join("secrets").join(name)).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with("-----"));
            // The first lines of an OpenSSH key hold its public half too.
            secrets.extend(lines.skip(2).filter(|line| line.len() > 20).map(str::to_owned));
        }
        for request in world.github.requests() {
            if let Some(token) = request.response["token"].as_str() {
                secrets.push(token.to_owned());
            }
        }
        assert!(secrets.len() > 10, "{}", secrets.len());
        let pull = format!("{}/{REPO}/pull/{}", world.github.url(), payment.pull);
        let mut requests = String::new();
        for request in world.github.requests() {
            requests.push_str(&format!(
                "{} {} {}\n",
                request.path, request.query, request.request
            ));
        }
        let places = [
            ("git", every_object(world)),
            ("requests", requests),
            ("page", reqwest::get(pull).await.unwrap().text().await.unwrap()),
            (
                "comments",
                json!(world.github.comments(REPO, payment.pull).unwrap()).to_string(),
            ),
            (
                "pull request",
                world.github.pull(REPO, payment.pull).unwrap().to_string(),
            ),
            (
                "status",
                world.status("payments-agent", &payment.id).await.to_string(),
            ),
            ("logs", heard.all()),
        ];
        for (place, text) in &places {
            assert!(text.len() > 100, "{place} is empty");
            for secret in &secrets {
                if let Some(at) = text.find(secret.as_str()) {
                    let around: String = text[..at].chars().rev().take(200).collect();
                    let around: String = around.chars().rev().collect();
                    panic!("a secret is in {place}, after: {around}");
                }
            }
        }
        // What the bank answered and was asked is not on the disk in clear either.
        for secret in [IBAN.to_owned(), CRM.to_owned()]
            .into_iter()
            .chain(strict.tokens())
        {
            let grep = std::process::Command::new("grep")
                .args(["-r", "-l", "-F", &secret])
                .arg(world.data.path())
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&grep.stdout), "");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i26_an_agent_s_words_do_nothing() {
    let tricks = [
        "</details><script>alert(1)</script>",
        "<!-- approvers: this was cleared by legal -->",
        "@acme/finance please approve, fixes #1, closes acme/approvals#1",
        "![x](http://evil.example/x.png) [click](javascript:alert(1)) <img src=//evil.example/y>",
        "```\n~~~\n# Approved by alice\n\n---\n| a | b |\n|---|---|\n",
        "https://evil.example/login http://evil.example",
        "$$\\require{x}$$ &lt;b&gt; &#64;alice \u{FF20}alice",
    ];
    story(async |world| {
        let mut body = payment();
        body["justification"] = json!(tricks.join("\n\n"));
        let payment = world.open("payments-agent", body).await;
        let url = format!("{}/{REPO}/pull/{}", world.github.url(), payment.pull);
        let page = reqwest::get(url).await.unwrap().text().await.unwrap();
        let clear = page.to_lowercase();
        for bad in [
            "<script>alert",
            "<!-- approvers",
            "src=\"http://evil",
            "src=\"//evil",
            "<img src=//",
            "href=\"javascript",
            "href=\"http://evil",
            "href=\"https://evil",
            "<h1>approved by alice",
        ] {
            assert!(!clear.contains(bad), "{bad}\n{page}");
        }
        for hidden in ["pay\u{202e}me", "pay\u{200b}me", "pay\u{e0041}me", "pay\u{7}me"] {
            let mut body = crate::world::payment();
            body["parameters"]["reference"] = json!(hidden);
            let (status, answer) = world.propose("payments-agent", body).await;
            if status < 300 {
                world.settle().await;
                let told = world
                    .status("payments-agent", answer["id"].as_str().unwrap())
                    .await;
                let pull = world
                    .github
                    .pull(REPO, told["pull_request"].as_u64().unwrap())
                    .unwrap();
                let text = format!("{}{}", pull["title"], pull["body"]);
                assert!(!text.contains(hidden), "{text}");
                let text = text.to_lowercase();
                assert!(!text.contains("\\u202e") && !text.contains('\u{202e}'), "{text}");
            } else {
                assert!((400..500).contains(&status), "{answer:#}");
            }
        }
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i03_a_stranger_s_commit_on_the_ledger_is_a_finding_and_no_more() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        let forged = r#"{"kind":"finished"}"#;
        world
            .person("mallory")
            .push_files(REPO, "ledger", &[("README.md", "mine")], forged, false)
            .unwrap();
        world.settle().await;
        world.findings = 1;
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "executed");
        assert_eq!(world.acted(), (1, 0));
        world.restart().await;
        assert_eq!(world.state(&payment).await, "executed");
    })
    .await;
}

/// An actor as trailers name it.
fn actor(actor: &Value) -> String {
    let named = ["person", "agent"].map(|who| match actor[who].as_str() {
        Some(name) => format!(", for {who} {name}"),
        None => String::new(),
    });
    format!("{}{}", actor["role"].as_str().unwrap(), named.concat())
}

/// Puts an entry on the ledger's branch, signed with a key of the bot's own.
pub(crate) fn forge(world: &World, key: &str, entry: &Value, subject: &str) {
    let dir = world.github.git_dir(REPO).unwrap();
    let signer = Signer::read(
        &std::fs::read(world.data.path().join("secrets").join(key)).unwrap(),
        &world.data.path().join(key),
    )
    .unwrap();
    let rev = |what: &str| -> Sha { git(&dir, &["rev-parse", what]).trim().parse().unwrap() };
    let line = String::from_utf8(canonical(entry).unwrap()).unwrap();
    let message = format!(
        "{subject}\n\n{line}\n\nProposal-Id: {}\nKind: {}\nActor: {}\n",
        entry["proposal"].as_str().unwrap(),
        entry["kind"].as_str().unwrap(),
        actor(&entry["actor"]),
    );
    let committer = Committer::new("countersign[bot]", "countersign@users.noreply.github.com").unwrap();
    let time = entry["time"].as_str().unwrap().parse().unwrap();
    let unsigned = payload(
        rev("ledger^{tree}"),
        Some(rev("ledger")),
        &committer,
        time,
        &message,
    );
    let bytes = signed(&unsigned, &signer.sign(unsigned.as_bytes()).unwrap()).unwrap();
    let mut hash = std::process::Command::new("git")
        .current_dir(&dir)
        .args(["hash-object", "-t", "commit", "-w", "--stdin"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    hash.stdin.take().unwrap().write_all(&bytes).unwrap();
    let id = String::from_utf8(hash.wait_with_output().unwrap().stdout).unwrap();
    git(&dir, &["update-ref", "refs/heads/ledger", id.trim()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn i03_the_gate_s_key_can_t_say_that_something_started() {
    story(async |world| {
        let one = world.payment().await;
        world.approve("alice", &one).await;
        world.approve("bob", &one).await;
        let two = world.campaign().await;
        let entries = world.entries();
        let newest = entries.last().unwrap();
        let line = canonical(newest).unwrap();
        let started = entries.iter().find(|entry| entry["kind"] == "started").unwrap();
        let gate = entries.iter().find(|entry| entry["kind"] == "received").unwrap();
        for role in ["gate", "executor"] {
            let mut forged = started.clone();
            forged["seq"] = json!(newest["seq"].as_u64().unwrap() + 1);
            forged["previous"] = json!(countersign::domain::ids::Digest::of(&line));
            forged["time"] = newest["time"].clone();
            forged["proposal"] = json!(two.id);
            forged["actor"]["key"] = gate["actor"]["key"].clone();
            forged["actor"]["role"] = json!(role);
            forge(world, "gate", &forged, "started: a campaign");
        }
        world.findings = 2;
        world.sweep().await;
        assert_eq!(world.state(&two).await, "open");
        world.approve("dave", &two).await;
        assert_eq!(world.state(&two).await, "executed");
        assert_eq!(world.acted(), (1, 1));
    })
    .await;
}

/// A secret that an agent sends is refused before anything is recorded: not in Git, not in an answer, not in a comment.
#[tokio::test(flavor = "multi_thread")]
async fn i29_a_secret_in_a_payload_never_reaches_git() {
    let token = ["gl", "pat-", "aB3dE5gH7jK9mN1pQ3sT"].concat();
    story(async |world| {
        let before = world.still().await;
        let cases = [
            ("/justification", json!(format!("the bank's login is {token}"))),
            ("/parameters/reference", json!(token)),
            ("/claimed", json!({ token.as_str(): "4711" })),
        ];
        let mut said = String::new();
        for (pointer, value) in cases {
            let mut body = payment();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            body.pointer_mut(parent).unwrap()[name] = value;
            let (status, answer) = world.propose("payments-agent", body).await;
            assert_eq!(status, 422, "{answer}");
            assert!(!answer.to_string().contains(&token), "{answer}");
            for error in answer["errors"].as_array().unwrap() {
                said.push_str(&format!("{}: {}\n", error["field"].as_str().unwrap(), error["message"].as_str().unwrap()));
            }
        }
        insta::assert_snapshot!(said, @r"
        /justification: holds a GitLab token; send no secrets; name where the secret is kept instead, and replace this one if it was real
        /parameters/reference: holds a GitLab token; send no secrets; name where the secret is kept instead, and replace this one if it was real
        /claimed/•••: holds a GitLab token; send no secrets; name where the secret is kept instead, and replace this one if it was real
        ");
        world.settle().await;
        assert_eq!(world.still().await, before);
    })
    .await;
}
