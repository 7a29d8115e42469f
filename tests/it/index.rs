//! `countersign index`, and that everything but Git may be lost: the book, what is told of every proposal and what the
//! auditor finds are the same after it is made again.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use countersign::domain::{book::Book, ids::Span};
use serde_json::{Value, json};

use crate::{
    cli::{Ran, run},
    world::{Opened, REPO, Setup, World, campaign, fresh, git, merge_commit, note, payment, story_with},
};

const BIG: &str = "\
summary: Nothing above ten thousand
level: deny
expression: params.amount.minor <= 1000000
message: above ten thousand
remedy: propose less
exceptions: { approvers: [marketing] }
";
const LIMITED: &str = "    checks: [text, big]
    limits:
      - { rate: 20, per: 1h, by: [agent] }
      - { budget: params.amount.minor, max: 90000000, currency: EUR, per: 1d, by: [params.supplier_id], over: high }
    sensitive: [params.iban]";

/// Alice may be stood in for.
const STAND_INS: (&str, &str, &str) = ("people.yaml", "  alice:\n", "  alice:\n    stand_ins: [bob]\n");

/// Alice's word that bob stands in for her.
fn delegation(world: &World) -> String {
    let in_five_days = world.time().plus(Span::seconds(5 * 86_400)).to_string();
    format!("/delegate @bob until {} away", &in_five_days[..10])
}

fn rules() -> Setup {
    Setup {
        edits: vec![
            (
                "catalog.yaml",
                "    checks: [text]\n    sensitive: [params.iban]",
                LIMITED,
            ),
            STAND_INS,
        ],
        files: vec![("checks/big.yaml", BIG)],
        ..Setup::default()
    }
}

/// Everything there is to tell: what agents hear of their proposals, and what an auditor reads.
#[derive(Debug, PartialEq)]
struct Told {
    statuses: BTreeMap<String, Value>,
    log: String,
    traces: Vec<String>,
    verified: Value,
}

impl World {
    async fn told(&self) -> Told {
        let mut statuses = BTreeMap::new();
        for entry in self.of_kind("received") {
            let id = entry["proposal"].as_str().unwrap().to_owned();
            let agent = entry["body"]["proposal"]["binding"]["agent"].as_str().unwrap();
            statuses.insert(id.clone(), self.status(agent, &id).await);
        }
        let clone = tempfile::tempdir().unwrap();
        let from = self.github.git_dir(REPO).unwrap();
        git(
            clone.path(),
            &["clone", "--quiet", "--bare", from.to_str().unwrap(), "."],
        );
        let repo = clone.path().to_str().unwrap();
        let genesis = self.genesis.to_string();
        let fine = |args: &[&str]| {
            let ran = run(args);
            assert_eq!(ran.code, 0, "{args:?}: {}{}", ran.out, ran.err);
            ran.out
        };
        let mut verified: Value =
            serde_json::from_str(&fine(&["audit", "verify", repo, "--genesis", &genesis, "--json"])).unwrap();
        verified.as_object_mut().unwrap().remove("milliseconds");
        Told {
            log: fine(&["audit", "log", repo, "--genesis", &genesis]),
            traces: statuses
                .keys()
                .map(|id| fine(&["audit", "trace", id, repo]))
                .collect(),
            verified,
            statuses,
        }
    }

    fn book(&self) -> Book {
        self.bot.ledger().read(Clone::clone)
    }
    fn in_ledger(&self, file: &str) -> PathBuf {
        self.data.path().join("bot/ledger").join(file)
    }

    /// Runs `countersign index` with the settings of this world's bot.
    fn index(&self, command: &str, more: &[&str]) -> Ran {
        let secrets = self.data.path().join("secrets");
        let secret = |name: &str| secrets.join(name).to_str().unwrap().to_owned();
        let data = self.data.path().join("bot");
        let (app, genesis) = (self.app.id.to_string(), self.genesis.to_string());
        let (pem, webhook, gate) = (secret("app.pem"), secret("webhook"), secret("gate"));
        let settings = [
            "index",
            command,
            "--data-dir",
            data.to_str().unwrap(),
            "--api-url",
            &self.github.api_url(),
            "--repo",
            REPO,
            "--app-id",
            &app,
            "--app-key-file",
            &pem,
            "--webhook-secret-file",
            &webhook,
            "--genesis",
            &genesis,
            "--gate-key-file",
            &gate,
            "--role",
            "gate",
        ];
        run(&[&settings[..], more].concat())
    }
}

fn parsed(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err))
}

/// Pays in place of what asks for changes; delegates, departs from a check, is denied, expires, runs at once and not at
/// all; and the rules change.
async fn a_full_week(world: &mut World) {
    let paid = world.payment().await;
    world
        .comment("dave", &paid, "/exception big the yearly invoice")
        .await;
    world.approve("alice", &paid).await;
    world.approve("bob", &paid).await;
    let sent = world.campaign().await;
    world.approve("dave", &sent).await;
    let mut other = campaign();
    other["parameters"]["subject"] = json!("Winter news");
    let denied = world.open("campaign-agent", other).await;
    world.person("dave").close(REPO, denied.pull).unwrap();
    world.settle().await;
    for n in 0..3 {
        let mut body = note();
        body["parameters"]["text"] = json!(format!("Called {n} times"));
        let (status, answer) = world.propose("support-agent", body).await;
        assert_eq!(status, 201, "{answer:#}");
    }
    let mut body = payment();
    body["parameters"]["amount"]["minor"] = json!(900_000);
    let old = world.open("payments-agent", body.clone()).await;
    world
        .person("alice")
        .request_changes(REPO, old.pull, "half of it")
        .unwrap();
    world.settle().await;
    body["parameters"]["amount"]["minor"] = json!(450_000);
    body["supersedes"] = json!(old.id);
    let new = world.open("payments-agent", body).await;
    let word = delegation(world);
    world.comment("alice", &new, &word).await;
    assert_eq!(world.of_kind("delegated").len(), 1);
    change_the_rules(world).await;
    let mut third = campaign();
    third["parameters"]["subject"] = json!("Left alone");
    world.open("campaign-agent", third).await;
    world.settle().await;
}

/// What waits under the old rules is void.
async fn change_the_rules(world: &mut World) {
    let tiers = "policies/tiers.yaml";
    let dir = world.github.git_dir(REPO).unwrap();
    let held = git(&dir, &["show", &format!("main:{tiers}")]);
    let stricter = held.replace("escalate_after: 4h", "escalate_after: 3h");
    let dave = world.person("dave");
    dave.push_files(REPO, "rules", &[(tiers, &stricter)], "Change the rules", false)
        .unwrap();
    let pull = dave.open_pull(REPO, "rules", "main", "Change the rules", "As discussed.");
    let change = Opened {
        id: String::new(),
        pull: pull.unwrap(),
        agent: "payments-agent",
    };
    world.settle().await;
    world.both_later(Duration::from_secs(2));
    world.approve("alice", &change).await;
    world.approve("bob", &change).await;
    world.sweep().await;
    assert_eq!(world.of_kind("policy").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_but_git_is_lost_and_nothing_is_different() {
    story_with(rules(), async |world| {
        a_full_week(world).await;
        world.sweep().await;
        let (book, told) = (world.book(), world.told().await);
        let lives: std::collections::BTreeSet<_> = told
            .statuses
            .values()
            .map(|status| status["state"].as_str().unwrap())
            .collect();
        for life in ["executed", "denied", "superseded", "voided", "open"] {
            assert!(lives.contains(life), "{lives:?}");
        }
        let acted = world.acted();
        // Read from what was written down.
        world.restart().await;
        world.restart().await;
        assert!(world.bot.ledger().indexed() == book.size(), "nothing was folded");
        assert_eq!(world.book(), book);
        assert_eq!(world.told().await, told);
        // The index is lost, and made again by the command.
        world.crash();
        let before = parsed(&world.index("status", &["--json"]));
        assert_eq!(before["size"], json!(book.size()));
        for file in ["book.json", "cases.jsonl"] {
            fs::remove_file(world.in_ledger(file)).unwrap();
        }
        let gone = world.index("status", &[]);
        assert_eq!(gone.code, 3, "{}{}", gone.out, gone.err);
        assert!(gone.out.contains("nothing is written down"), "{}", gone.out);
        for file in fs::read_dir(world.data.path().join("bot")).unwrap() {
            let file = file.unwrap();
            if file.file_name().to_str().unwrap().starts_with("countersign.db") {
                fs::remove_file(file.path()).unwrap();
            }
        }
        let made = world.index("rebuild", &["--json"]);
        assert_eq!((made.code, made.err.as_str()), (0, ""), "{}", made.out);
        assert_eq!(parsed(&made), before);
        world.start().await.unwrap();
        assert!(world.bot.ledger().indexed() == book.size(), "nothing was folded");
        assert_eq!(world.book(), book);
        assert_eq!(world.told().await, told);
        world.sweep().await;
        assert_eq!(world.book(), book, "and nothing new is found");
        assert_eq!(world.acted(), acted);
        // The whole disk is lost.
        world.crash();
        fs::remove_dir_all(world.data.path().join("bot")).unwrap();
        world.start().await.unwrap();
        assert_eq!(world.bot.ledger().indexed(), 0);
        assert_eq!(world.book(), book);
        assert_eq!(world.told().await, told);
        world.sweep().await;
        assert_eq!((world.acted(), world.book() == book), (acted, true));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_index_is_told_of_and_not_believed() {
    story_with(rules(), async |world| {
        let sent = world.campaign().await;
        world.approve("dave", &sent).await;
        world.restart().await;
        let book = world.book();
        world.crash();
        let text = fs::read_to_string(world.in_ledger("cases.jsonl")).unwrap();
        assert!(text.contains("\"executed\""), "{text}");
        fs::write(
            world.in_ledger("cases.jsonl"),
            text.replace("\"executed\"", "\"cancelled\""),
        )
        .unwrap();
        let found = world.index("status", &["--json"]);
        assert_eq!(found.code, 3, "{}{}", found.out, found.err);
        let found = parsed(&found);
        assert_eq!(found["believed"], json!(false));
        assert!(
            found["why"].as_str().unwrap().contains("cut off or changed"),
            "{found}"
        );
        world.start().await.unwrap();
        assert_eq!((world.bot.ledger().indexed(), world.book() == book), (0, true));
        assert_eq!(world.state(&sent).await, "executed");
        assert_eq!(world.index("status", &[]).code, 0, "made again at the start");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuilding_waits_for_the_bot_to_stop_and_needs_a_ledger() {
    story_with(Setup::default(), async |world| {
        let running = world.index("rebuild", &[]);
        assert_eq!(running.code, 1);
        assert!(
            running.err.contains("a bot runs on") && running.err.contains("stop it"),
            "{}",
            running.err
        );
        assert_eq!(world.index("status", &[]).code, 0, "looking disturbs nobody");
        world.crash();
        let made = world.index("rebuild", &[]);
        assert_eq!(made.code, 0, "{}", made.err);
        assert!(made.out.contains("made again from Git"), "{}", made.out);
        let (ledger, away) = (
            world.data.path().join("bot/ledger"),
            world.data.path().join(fresh()),
        );
        fs::rename(&ledger, &away).unwrap();
        let nothing = world.index("rebuild", &[]);
        assert_eq!(nothing.code, 1);
        assert!(
            nothing.err.contains("holds no copy") && nothing.err.contains("start the bot"),
            "{}",
            nothing.err
        );
        fs::rename(&away, &ledger).unwrap();
        // Put back behind the bot's back: that is a finding, not a failure.
        let kept = world.in_ledger("ledger-head.json");
        let head = fs::read_to_string(&kept).unwrap();
        let mut other: Value = serde_json::from_str(&head).unwrap();
        other["commit"] = json!("9".repeat(40));
        fs::write(&kept, other.to_string()).unwrap();
        let refused = world.index("rebuild", &[]);
        assert_eq!(refused.code, 3, "{}", refused.err);
        assert!(
            refused.err.contains("rolled back or rewritten"),
            "{}",
            refused.err
        );
        fs::write(&kept, head).unwrap();
        assert_eq!(run(&["index", "rebuild"]).code, 2, "settings are missing");
        world.start().await.unwrap();
    })
    .await;
}

/// Webhooks that were acknowledged and not worked on, and the database that held them.
async fn lose_the_database(world: &mut World) {
    world.crash();
    for name in ["countersign.db", "countersign.db-wal", "countersign.db-shm"] {
        let file = world.data.path().join("bot").join(name);
        if file.exists() {
            fs::remove_file(file).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_what_was_in_flight_when_the_database_was_lost_is_fetched_again() {
    let setup = Setup {
        edits: vec![STAND_INS],
        ..Setup::default()
    };
    story_with(setup, async |world| {
        let approved = world.campaign().await;
        let mut other = campaign();
        other["parameters"]["subject"] = json!("Winter news");
        let other = world.open("campaign-agent", other).await;
        let mut body = note();
        body["idempotency_key"] = json!("ticket-88");
        let (status, answer) = world.propose("support-agent", body.clone()).await;
        assert_eq!(status, 201, "{answer:#}");
        world.settle().await;
        // It acknowledges, and works on nothing any more.
        world.bot.stopping().begin();
        world.person("dave").approve(REPO, approved.pull).unwrap();
        let word = delegation(world);
        world.person("alice").comment(REPO, other.pull, &word).unwrap();
        world.github.quiesce().await;
        let acknowledged = world.github.deliveries();
        assert!(
            acknowledged
                .iter()
                .any(|(event, _, code)| event == "pull_request_review" && *code == 202)
        );
        assert!(!world.bot.store().inbox().undone().await.unwrap().is_empty());
        lose_the_database(world).await;
        world.start().await.unwrap();
        assert_eq!(world.state(&approved).await, "open", "nobody told it");
        world.github.forget_requests();
        world.bot.ask_for_undelivered().await.unwrap();
        world.settle().await;
        assert_eq!(world.state(&approved).await, "executed");
        let kinds = world.kinds(&approved);
        assert_eq!(
            kinds.iter().filter(|kind| *kind == "reviewed").count(),
            1,
            "{kinds:?}"
        );
        assert_eq!(
            world.of_kind("delegated").len(),
            1,
            "a comment, which no look finds"
        );
        let attempts = |world: &World| {
            let requests = world.github.requests();
            requests
                .iter()
                .filter(|one| one.path.ends_with("/attempts"))
                .count()
        };
        let once = attempts(world);
        assert!(once >= 2, "{once}");
        world.bot.ask_for_undelivered().await.unwrap();
        assert_eq!(attempts(world), once, "once is enough");
        // What ran is known from the ledger.
        let (status, again) = world.propose("support-agent", body).await;
        assert_eq!((status, &again["id"]), (200, &answer["id"]), "{again:#}");
        assert_eq!(world.acted(), (0, 2));
        world.restart().await;
        world.github.forget_requests();
        world.bot.ask_for_undelivered().await.unwrap();
        assert_eq!(attempts(world), 0, "a database that remembers asks for nothing");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_what_was_merged_when_the_database_was_lost_runs_once() {
    let manual = Setup {
        edits: vec![(
            "tiers.yaml",
            "merge: auto                 # the bot merges",
            "merge: manual               # the bot merges",
        )],
        ..Setup::default()
    };
    story_with(manual, async |world| {
        let sent = world.campaign().await;
        world.both_later(Duration::from_secs(2));
        world.bot.stopping().begin();
        world.person("dave").approve(REPO, sent.pull).unwrap();
        world.github.quiesce().await;
        lose_the_database(world).await;
        world.start().await.unwrap();
        world.bot.ask_for_undelivered().await.unwrap();
        world.settle().await;
        assert_eq!(world.acted(), (0, 0));
        world.bot.stopping().begin();
        world
            .person("alice")
            .merge(REPO, sent.pull, merge_commit())
            .unwrap();
        world.github.quiesce().await;
        lose_the_database(world).await;
        world.start().await.unwrap();
        world.bot.ask_for_undelivered().await.unwrap();
        world.sweep().await;
        assert_eq!(world.state(&sent).await, "executed");
        world.bot.ask_for_undelivered().await.unwrap();
        world.sweep().await;
        assert_eq!((world.targets.crm().asked(), world.acted()), (1, (0, 1)));
    })
    .await;
}
