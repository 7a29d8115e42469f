//! A gate and an executor in processes of their own: what people approved is carried out, and a gate that lies, with its own
//! key and the app's, gets nothing carried out that they did not. INVARIANT i02, i03, i06, i14.

mod clone;
mod left_out;
mod liar;
mod rollback;
mod swapped;
mod taken_back;

use std::time::Duration;

use countersign::{
    sandbox::{Failure, Fault},
    service::{Bot, Server, Stopped},
    settings::Role,
};
use serde_json::Value;

use crate::{
    amend::next,
    exception::denied,
    policy_changes::{STRICTER, TIERS, change, edited, merged, push},
    world::{Opened, REPO, Setup, World, campaign, merge_commit, note, story_with},
};
use liar::Liar;

/// A gate that does not execute.
pub(crate) fn gate() -> Setup {
    Setup {
        role: Some(Role::Gate),
        ..Setup::default()
    }
}

/// What an executor apart does until nothing is left to do, and the gate hears of it.
async fn rounds(world: &mut World, executor: &Bot) {
    for _ in 0..4 {
        executor.follow().await.unwrap();
        world.both_later(Duration::from_secs(61));
        world.settle().await;
    }
}

/// What the executor said of a lie.
fn incidents(world: &World) -> Vec<String> {
    let told = world.of_kind("incident");
    told.iter()
        .filter(|entry| entry["actor"]["role"] == "executor")
        .map(|entry| entry["body"]["what"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_i15_a_gate_lets_through_and_an_executor_apart_merges_and_carries_out() {
    story_with(gate(), async |world| {
        let executor = world.apart(false).await;
        let campaign = world.campaign().await;
        rounds(world, &executor).await;
        assert_eq!(world.acted(), (0, 0));
        world.approve("dave", &campaign).await;
        assert_eq!(world.check(&campaign).conclusion, "success");
        assert!(
            !merged(world, &campaign),
            "only who executes can tell whether it could"
        );
        rounds(world, &executor).await;
        assert_eq!(
            (world.state(&campaign).await.as_str(), world.acted()),
            ("executed", (0, 1))
        );
        let kinds = world.kinds(&campaign);
        let tail = ["merged", "observed", "started", "finished"];
        assert!(kinds.ends_with(&tail.map(str::to_owned)), "{kinds:?}");
        // Sealed values come from the database that both share, and a person's word from where it was written.
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        rounds(world, &executor).await;
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("executed", (1, 1))
        );
        assert_eq!(incidents(world), Vec::<String>::new());
        executor.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_low_tier_is_recorded_by_the_gate_and_claimed_on_the_ledger() {
    story_with(gate(), async |world| {
        let executor = world.apart(false).await;
        let (status, answer) = world.propose("support-agent", note()).await;
        assert_eq!(status, 202, "{answer:#}");
        let sent = Opened {
            id: answer["id"].as_str().unwrap().to_owned(),
            pull: 0,
            agent: "support-agent",
        };
        assert_eq!(
            (world.state(&sent).await.as_str(), world.acted()),
            ("received", (0, 0))
        );
        rounds(world, &executor).await;
        assert_eq!(
            (world.state(&sent).await.as_str(), world.acted()),
            ("executed", (0, 1))
        );
        assert_eq!(
            world.kinds(&sent),
            ["received", "observed", "started", "finished"]
        );
        assert_eq!(world.of_kind("started")[0]["body"]["claim"], "ledger");
        // The next one finds nothing to do.
        executor.close().await;
        let next = world.apart(false).await;
        rounds(world, &next).await;
        assert_eq!(world.acted(), (0, 1));
        next.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i04_low_tier_that_only_a_gate_vouches_for_is_not_taken_and_not_run() {
    let setup = Setup {
        secrets: vec![("support-agent", "a secret of the support agent")],
        ..gate()
    };
    story_with(setup, async |world| {
        let (status, answer) = world.propose("support-agent", note()).await;
        assert_eq!(status, 503, "{answer:#}");
        let detail = answer["detail"].as_str().unwrap();
        assert!(
            detail.contains("only for agents with a key of their own"),
            "{detail}"
        );
        assert!(world.of_kind("received").is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_apart_follows_the_ledger_and_answers_no_agent_and_no_webhook() {
    story_with(gate(), async |world| {
        let executor = world.apart(false).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::start(executor, listener, Duration::from_secs(60), None).unwrap();
        let address = server.address();
        let http = reqwest::Client::new();
        for path in ["/webhooks/github", "/api/v1/proposals"] {
            let answer = http
                .post(format!("http://{address}{path}"))
                .body("{}")
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), 404, "{path}");
            let said: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
            assert!(said.to_string().contains("this process only executes"), "{said}");
        }
        for path in ["/healthz", "/readyz", "/.well-known/jwks.json"] {
            let answer = http.get(format!("http://{address}{path}")).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
        }
        // It follows by itself.
        let (status, answer) = world.propose("support-agent", note()).await;
        assert_eq!(status, 202, "{answer:#}");
        let done = async {
            while world.acted() != (0, 1) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), done).await.unwrap();
        assert_eq!(server.stop(Duration::from_secs(60)).await, Stopped::Clean);
        // The gate makes no credentials.
        let (status, _) = world.raw("GET", "/.well-known/jwks.json", &[], Vec::new()).await;
        assert_eq!(status, 404);
    })
    .await;
}

/// The gate falls into other hands.
async fn seized(world: &mut World) -> (Bot, Liar) {
    let executor = world.apart(false).await;
    world.crash();
    let liar = Liar::with_the_gate_s_key(world).await;
    (executor, liar)
}

/// The gate is its owner's again.
async fn restored(world: &mut World, executor: Bot, liar: Liar) {
    liar.close().await;
    executor.close().await;
    world.start().await.unwrap();
}

/// Carol, of the people who approve, may merge past the check; what she merges has a person behind it.
fn may_merge(world: &World) {
    let admin = countersign::sandbox::Permission::Admin;
    world.github.set_permission(REPO, "carol", admin).unwrap();
}

/// The executor merged nothing, and said so once.
fn held_back(world: &World, of: &Opened, why: &str) {
    assert!(!merged(world, of));
    let told = incidents(world);
    assert!(told.len() == 1 && told[0].contains(why), "{told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i06_i14_reviews_that_only_the_ledger_knows_open_nothing() {
    story_with(gate(), async |world| {
        let campaign = world.campaign().await;
        let (executor, liar) = seized(world).await;
        liar.approves(world, &campaign, "dave").await;
        liar.finds_open(&campaign).await;
        executor.follow().await.unwrap();
        assert!(!merged(world, &campaign));
        // The app itself may merge what its check lets through.
        world
            .person("root")
            .merge(REPO, campaign.pull, merge_commit())
            .unwrap();
        liar.merged(world, &campaign).await;
        world.both_later(Duration::from_secs(61));
        executor.follow().await.unwrap();
        assert_eq!(world.acted(), (0, 0));
        let kinds = world.kinds(&campaign);
        assert_eq!(kinds.last().unwrap(), "refused_after_merge", "{kinds:?}");
        let entry = world.of_kind("refused_after_merge");
        assert!(entry[0].to_string().contains("approvals"), "{entry:#?}");
        restored(world, executor, liar).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_a_merge_that_only_the_ledger_knows_of_carries_nothing_out() {
    story_with(gate(), async |world| {
        let campaign = world.campaign().await;
        world.approve("dave", &campaign).await;
        let (executor, liar) = seized(world).await;
        // A commit of the base branch that is no merge of the proposal.
        let files = [("notes.md", "nothing to see")];
        world
            .person("root")
            .push_files(REPO, "main", &files, "Notes", false)
            .unwrap();
        liar.merged_as(world, &campaign, "main").await;
        executor.follow().await.unwrap();
        assert_eq!(world.acted(), (0, 0));
        let kinds = world.kinds(&campaign);
        assert_eq!(kinds.last().unwrap(), "refused_after_merge", "{kinds:?}");
        restored(world, executor, liar).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_rules_that_landed_without_an_entry_carry_nothing_out() {
    story_with(gate(), async |world| {
        let campaign = world.campaign().await;
        world.approve("dave", &campaign).await;
        let executor = world.apart(false).await;
        let tiers = edited(world, TIERS, STRICTER);
        push(world, "root", "main", &[(TIERS, &tiers)]);
        let error = executor.follow().await.unwrap_err().to_string();
        assert!(error.contains("is not the policy in force"), "{error}");
        assert!(!merged(world, &campaign));
        assert_eq!(world.acted(), (0, 0));
        world.settle().await;
        executor.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_rules_that_nobody_approved_are_not_the_executor_s_whatever_the_ledger_says() {
    story_with(gate(), async |world| {
        let seen = world.campaign().await;
        let change = change(world, "rules", TIERS, STRICTER).await;
        let (executor, liar) = seized(world).await;
        world
            .person("root")
            .merge(REPO, change.pull, merge_commit())
            .unwrap();
        liar.enacts(world, &change, &["alice", "bob"]).await;
        // From here on an honest gate believes it, and people approve by it.
        world.start().await.unwrap();
        world.sweep().await;
        assert_eq!(world.state(&seen).await, "voided");
        let campaign = world.campaign().await;
        world.approve("dave", &campaign).await;
        rounds(world, &executor).await;
        assert_eq!(world.acted(), (0, 0));
        held_back(world, &campaign, "GitHub does not show that people approved it");
        held_back(world, &campaign, "carries nothing out under them");
        executor.close().await;
        // Once an operator answers for them, they hold.
        let trusting = world.apart(true).await;
        rounds(world, &trusting).await;
        assert_eq!(world.acted(), (0, 1));
        trusting.close().await;
        liar.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_rules_that_people_approved_are_proved_once_and_hold() {
    story_with(gate(), async |world| {
        let executor = world.apart(false).await;
        let change = change(world, "rules", TIERS, STRICTER).await;
        world.approve("alice", &change).await;
        world.approve("bob", &change).await;
        assert_eq!(world.of_kind("policy").len(), 1);
        let campaign = world.campaign().await;
        world.approve("dave", &campaign).await;
        rounds(world, &executor).await;
        assert_eq!(
            (world.state(&campaign).await.as_str(), world.acted()),
            ("executed", (0, 1))
        );
        // What was proved once needs no proof again, when an approval is gone since.
        executor.close().await;
        let review = world.github.reviews(REPO, change.pull).unwrap()[0]["id"]
            .as_u64()
            .unwrap();
        world
            .person("root")
            .dismiss(REPO, change.pull, review, "gone")
            .unwrap();
        world.settle().await;
        let again = world.apart(false).await;
        let (status, _) = world.propose("support-agent", note()).await;
        assert_eq!(status, 202);
        rounds(world, &again).await;
        assert_eq!((world.acted(), incidents(world)), ((0, 2), Vec::new()));
        again.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i06_an_exception_that_nobody_wrote_lets_nothing_pass() {
    let setup = Setup {
        role: Some(Role::Gate),
        ..denied()
    };
    story_with(setup, async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        let (executor, liar) = seized(world).await;
        liar.excepts(world, &payment, "dave").await;
        liar.finds_open(&payment).await;
        executor.follow().await.unwrap();
        held_back(world, &payment, "GitHub does not show it: checks");
        restored(world, executor, liar).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_what_a_person_changed_counts_as_long_as_their_comment_stands() {
    story_with(gate(), async |world| {
        let executor = world.apart(false).await;
        let amended = async |world: &mut World| {
            let old = world.campaign().await;
            let comment = world.comment("bob", &old, "/amend subject=News").await;
            let new = next(world, &old).await;
            world.both_later(Duration::from_secs(2));
            world.approve("dave", &new).await;
            (comment, new)
        };
        let (_, stands) = amended(world).await;
        rounds(world, &executor).await;
        assert_eq!(
            (world.state(&stands).await.as_str(), world.acted()),
            ("executed", (0, 1))
        );
        let (comment, edited) = amended(world).await;
        let bob = world.person("bob");
        bob.edit_comment(REPO, comment, "/amend subject=Nothing").unwrap();
        world.settle().await;
        rounds(world, &executor).await;
        held_back(world, &edited, "in a comment that is not there");
        assert_eq!(world.acted(), (0, 1));
        executor.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i26_a_text_that_is_not_the_proposal_s_is_approved_in_vain() {
    story_with(gate(), async |world| {
        // The gate records what the agent asked for, and shows something else.
        let executor = world.apart(false).await;
        world.github.fault(Fault {
            method: Some("POST".to_owned()),
            path: "/repos/*/pulls".to_owned(),
            failure: Failure::Before { status: 500 },
            times: 1_000,
        });
        let (status, answer) = world.propose("campaign-agent", campaign()).await;
        assert_eq!(status, 202, "{answer:#}");
        world.crash();
        world.github.clear_faults();
        let liar = Liar::with_the_gate_s_key(world).await;
        let id = answer["id"].as_str().unwrap();
        let lie = |report: String| report.replace("Autumn news", "Nothing much");
        let campaign = liar.opens(world, id, lie).await;
        world.start().await.unwrap();
        world.both_later(Duration::from_secs(2));
        world.approve("dave", &campaign).await;
        assert_eq!(world.check(&campaign).conclusion, "success");
        rounds(world, &executor).await;
        held_back(world, &campaign, "the text that people read is not the one");
        liar.close().await;
        executor.close().await;
    })
    .await;
}
