//! The bot dies at every point where it matters, and another process goes on: nothing runs twice, nothing is lost.

use std::time::Duration;

use countersign::{
    cli::demo::targets::{Fault as Broken, Target, VERY_SLOW},
    sandbox::{Failure, Fault},
    service::{AssembleError, Bot},
};
use serde_json::{Value, json};

use crate::world::{Opened, REPO, Setup, World, campaign, git, merge_commit, note, story, story_with};

/// Where the catalog promises that notes act once for one key.
const NOTES_PROMISE: &str = "        idempotency_header: Idempotency-Key\n        # A leaf";
const PUSH: &str = "/acme/approvals.git/git-receive-pack";

fn manual() -> Setup {
    Setup {
        edits: vec![(
            "tiers.yaml",
            "merge: auto                 # or manual",
            "merge: manual               # or manual",
        )],
        ..Setup::default()
    }
}

/// Some pushes go through, and all after them fail.
fn no_push_after(world: &World, good: usize) {
    let push = |failure, times| Fault {
        times,
        ..Fault::once("POST", PUSH, failure)
    };
    let nothing = Failure::Slow { by: Duration::ZERO };
    if good > 0 {
        world.github.fault(push(nothing, good));
    }
    world.github.fault(push(Failure::Before { status: 502 }, 10_000));
}

async fn dies_and_comes_back(world: &mut World) {
    world.crash();
    world.github.clear_faults();
    world.start().await.unwrap();
    world.sweep().await;
}

async fn asked(target: &Target) {
    while target.asked() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn opened(world: &mut World, id: &str) -> Opened {
    let told = world.status("campaign-agent", id).await;
    let pull = told["pull_request"]
        .as_u64()
        .unwrap_or_else(|| panic!("{told:#}"));
    Opened {
        id: id.to_owned(),
        pull,
        agent: "campaign-agent",
    }
}

/// Dies after so many pushes of a campaign's opening: 1 recorded it, 2 pushed its branch.
async fn dies_while_opening(pushes: usize) {
    story(async |world| {
        no_push_after(world, pushes);
        let (status, answer) = world.propose("campaign-agent", campaign()).await;
        assert_eq!(status, 202, "{answer:#}");
        dies_and_comes_back(world).await;
        let campaign = opened(world, answer["id"].as_str().unwrap()).await;
        assert_eq!(world.github.pulls(REPO).unwrap().len(), 1);
        assert_eq!(world.check(&campaign).conclusion, "action_required");
        world.approve("dave", &campaign).await;
        assert_eq!(world.state(&campaign).await, "executed");
        assert_eq!(world.acted(), (0, 1));
        let opened = world
            .kinds(&campaign)
            .iter()
            .filter(|kind| *kind == "opened")
            .count();
        assert_eq!(opened, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn received_and_not_opened_is_opened() {
    dies_while_opening(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opened_and_not_recorded_is_recorded_once() {
    dies_while_opening(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn approved_while_nobody_listened_runs() {
    story(async |world| {
        let payment = world.payment().await;
        world.both_later(Duration::from_secs(3));
        world.crash();
        world.person("alice").approve(REPO, payment.pull).unwrap();
        world.person("bob").approve(REPO, payment.pull).unwrap();
        world.start().await.unwrap();
        world.sweep().await;
        assert_eq!(world.state(&payment).await, "executed");
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn merged_while_nobody_listened_runs() {
    story_with(manual(), async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        world.crash();
        world
            .person("dave")
            .merge(REPO, payment.pull, merge_commit())
            .unwrap();
        world.start().await.unwrap();
        world.sweep().await;
        assert_eq!(world.state(&payment).await, "executed");
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_merged_and_not_started_runs_once() {
    for pushes in [0, 1] {
        story_with(manual(), async |world| {
            let payment = world.payment().await;
            world.approve("alice", &payment).await;
            world.approve("bob", &payment).await;
            no_push_after(world, pushes);
            world
                .person("dave")
                .merge(REPO, payment.pull, merge_commit())
                .unwrap();
            world.settle().await;
            assert_eq!(world.acted(), (0, 0));
            let merged = world.kinds(&payment).iter().any(|kind| kind == "merged");
            assert_eq!(merged, pushes == 1);
            // Whatever is said after the merge must not keep it from running.
            world.person("mallory").approve(REPO, payment.pull).unwrap();
            let alice = world.person("alice");
            alice.comment_review(REPO, payment.pull, "thanks").unwrap();
            world.settle().await;
            dies_and_comes_back(world).await;
            assert_eq!(world.state(&payment).await, "executed");
            assert_eq!(world.acted(), (1, 0));
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i21_started_and_not_finished_is_unknown_and_never_run_again() {
    story_with(manual(), async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        world.targets.bank().fault(Broken::Slow(VERY_SLOW));
        world
            .person("dave")
            .merge(REPO, payment.pull, merge_commit())
            .unwrap();
        asked(world.targets.bank()).await;
        dies_and_comes_back(world).await;
        world.sweep().await;
        assert_eq!(world.state(&payment).await, "unknown");
        assert_eq!(world.check(&payment).conclusion, "failure");
        assert_eq!(world.github.comments(REPO, payment.pull).unwrap().len(), 1);
        assert_eq!(world.targets.bank().asked(), 1);
        assert_eq!(world.acted(), (1, 0));
        assert_eq!(world.kinds(&payment).last().unwrap(), "unknown");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_ran_and_not_recorded_is_unknown_and_never_run_again() {
    story_with(manual(), async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        no_push_after(world, 2);
        world
            .person("dave")
            .merge(REPO, payment.pull, merge_commit())
            .unwrap();
        asked(world.targets.bank()).await;
        dies_and_comes_back(world).await;
        assert_eq!(world.state(&payment).await, "unknown");
        assert_eq!((world.targets.bank().asked(), world.acted()), (1, (1, 0)));
    })
    .await;
}

/// A payment whose executor died in mid-call, and that changed what was observed: nobody knows of it.
async fn unknown(world: &mut World) -> Opened {
    let payment = world.payment().await;
    world.approve("alice", &payment).await;
    world.approve("bob", &payment).await;
    world.targets.bank().fault(Broken::Slow(VERY_SLOW));
    world
        .person("dave")
        .merge(REPO, payment.pull, merge_commit())
        .unwrap();
    asked(world.targets.bank()).await;
    dies_and_comes_back(world).await;
    assert_eq!(world.state(&payment).await, "unknown");
    payment
}

#[tokio::test(flavor = "multi_thread")]
async fn i21_i22_a_person_apart_from_its_parties_settles_what_nobody_knows() {
    story_with(manual(), async |world| {
        let payment = unknown(world).await;
        for (login, text) in [
            ("carol", "/resolve executed I say so"),
            ("mallory", "/resolve executed I say so"),
            ("bob", "/resolve executed"),
            ("bob", "/resolve perhaps who knows"),
        ] {
            world.comment(login, &payment, text).await;
            assert_eq!(world.state(&payment).await, "unknown", "{login}: {text}");
        }
        world
            .comment("bob", &payment, "/resolve executed it is on the statement")
            .await;
        assert_eq!(world.state(&payment).await, "executed");
        insta::assert_snapshot!(world.answers(&payment)[1..].concat(), @r"
        Not recorded for carol: somebody else has to settle it: its sponsor and whoever changed it may not.
        Not recorded for bob: it takes how you know; write `/resolve executed` or `/resolve not-executed`, then how you know; for a proposal without a pull request, its id in front.
        Not recorded for bob: write `/resolve executed` or `/resolve not-executed`, then how you know; for a proposal without a pull request, its id in front.
        Recorded: bob found it to be executed: it is on the statement.

        It counts as having run, once.
        ");
        let [entry] = world.of_kind("resolved").try_into().unwrap();
        assert_eq!(entry["actor"]["person"], "bob");
        assert_eq!(entry["body"]["as"], "executed");
        world
            .comment("bob", &payment, "/resolve not-executed no, wait")
            .await;
        assert_eq!(world.of_kind("resolved").len(), 1);
        assert_eq!((world.targets.bank().asked(), world.acted()), (1, (1, 0)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i21_what_was_found_not_to_have_run_has_failed_and_is_not_run() {
    story_with(manual(), async |world| {
        let payment = unknown(world).await;
        world
            .comment("bob", &payment, "/resolve not-executed the bank lost it")
            .await;
        assert_eq!(world.state(&payment).await, "errored");
        world.sweep().await;
        assert_eq!(world.targets.bank().asked(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_i21_what_acts_once_for_a_key_goes_on_after_a_crash() {
    // What it changes is not what was observed of it.
    let setup = Setup {
        edits: vec![("catalog.yaml", "/segments/{segment_id}\n", "/segments/vip\n")],
        ..Setup::default()
    };
    story_with(setup, async |world| {
        let campaign = world.campaign().await;
        world.targets.crm().fault(Broken::Slow(VERY_SLOW));
        world.person("dave").approve(REPO, campaign.pull).unwrap();
        asked(world.targets.crm()).await;
        dies_and_comes_back(world).await;
        let last = world.about(&campaign).pop().unwrap();
        assert_eq!(world.state(&campaign).await, "executed", "{last:#}");
        assert_eq!((world.targets.crm().asked(), world.acted()), (2, (0, 1)));
        let kinds = world.kinds(&campaign);
        let from = kinds.iter().position(|kind| kind == "started").unwrap();
        let told: Vec<&str> = kinds[from..].iter().map(String::as_str).collect();
        assert_eq!(told, ["started", "unknown", "observed", "started", "finished"]);
        let started = world
            .about(&campaign)
            .into_iter()
            .filter(|entry| entry["kind"] == "started");
        let attempts: Vec<_> = started.map(|entry| entry["body"]["attempt"].clone()).collect();
        assert_eq!(attempts, [json!(1), json!(2)]);
    })
    .await;
}

/// A note that is on its way to a target that takes its time.
async fn in_mid_note(world: &mut World) -> Value {
    let mut body = note();
    body["idempotency_key"] = json!("ticket-88");
    world.targets.crm().fault(Broken::Slow(VERY_SLOW));
    {
        let proposing = world.propose("support-agent", body.clone());
        tokio::pin!(proposing);
        tokio::select! {
            answer = &mut proposing => panic!("{answer:?}"),
            () = asked(world.targets.crm()) => {}
        }
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_i21_low_tier_that_acts_once_for_a_key_goes_on_after_a_crash() {
    story(async |world| {
        let body = in_mid_note(world).await;
        dies_and_comes_back(world).await;
        let (status, answer) = world.propose("support-agent", body).await;
        assert_eq!(
            (status, &answer["state"]),
            (200, &json!("executed")),
            "{answer:#}"
        );
        assert_eq!((world.targets.crm().asked(), world.acted()), (2, (0, 1)));
        let entries = world.entries();
        let about = entries.iter().filter(|entry| entry["proposal"] == answer["id"]);
        let told: Vec<_> = about
            .map(|entry| (entry["kind"].as_str().unwrap(), entry["body"]["attempt"].as_u64()))
            .collect();
        assert_eq!(
            told,
            [
                ("received", None),
                ("started", Some(1)),
                ("unknown", None),
                ("observed", None),
                ("started", Some(2)),
                ("finished", None)
            ]
        );
        world.sweep().await;
        assert_eq!(world.targets.crm().asked(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_i21_low_tier_of_another_machine_goes_on_once_its_time_is_over() {
    let setup = Setup {
        edits: vec![(
            "catalog.yaml",
            NOTES_PROMISE,
            "        timeout: 5m\n        idempotency_header: Idempotency-Key\n        # A leaf",
        )],
        ..Setup::default()
    };
    story_with(setup, async |world| {
        in_mid_note(world).await;
        world.crash();
        let other = world.replica("other").await;
        // Nobody heard of it for two minutes, and its call may take five.
        for (minutes, asked, last) in [(3, 1, "unknown"), (6, 2, "finished")] {
            world.both_later(Duration::from_secs(minutes * 60));
            other.sweep().await;
            let entries = world.entries();
            assert_eq!(entries.last().unwrap()["kind"], last, "{entries:#?}");
            assert_eq!(world.targets.crm().asked(), asked);
        }
        assert_eq!(world.acted(), (0, 1));
        other.close().await;
        world.start().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i21_i22_low_tier_that_was_given_up_does_not_go_on_in_a_freeze() {
    story(async |world| {
        let payment = world.payment().await;
        let body = in_mid_note(world).await;
        let dave = world.person("dave");
        dave.comment(REPO, payment.pull, "/freeze all the CRM moves")
            .unwrap();
        while world.of_kind("frozen").is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        dies_and_comes_back(world).await;
        let (status, answer) = world.propose("support-agent", body).await;
        assert_eq!((status, &answer["state"]), (200, &json!("unknown")), "{answer:#}");
        assert_eq!(world.targets.crm().asked(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i21_low_tier_claimed_and_not_ended_is_unknown_without_that_promise() {
    let setup = Setup {
        edits: vec![("catalog.yaml", NOTES_PROMISE, "        # A leaf")],
        ..Setup::default()
    };
    story_with(setup, async |world| {
        let body = in_mid_note(world).await;
        dies_and_comes_back(world).await;
        let (status, answer) = world.propose("support-agent", body).await;
        assert_eq!((status, &answer["state"]), (200, &json!("unknown")), "{answer:#}");
        assert_eq!((world.targets.crm().asked(), world.acted()), (1, (0, 1)));
        assert_eq!(world.entries().last().unwrap()["kind"], "unknown");
        // It has no pull request: any other's is a place to settle it.
        let payment = world.payment().await;
        let id = answer["id"].as_str().unwrap();
        for (login, says, state) in [
            ("erin", "/resolve ID executed I answer for it", "unknown"),
            ("dave", "/resolve ID executed the note is there", "executed"),
        ] {
            world.comment(login, &payment, &says.replace("ID", id)).await;
            assert_eq!(world.status("support-agent", id).await["state"], state, "{login}");
        }
        assert_eq!(world.targets.crm().asked(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_low_tier_that_ran_and_was_not_recorded_is_recorded() {
    story(async |world| {
        let mut body = note();
        body["idempotency_key"] = json!("ticket-88");
        no_push_after(world, 0);
        let (status, answer) = world.propose("support-agent", body.clone()).await;
        assert_eq!(
            (status, &answer["state"]),
            (201, &json!("executed")),
            "{answer:#}"
        );
        dies_and_comes_back(world).await;
        let kinds: Vec<String> = world
            .entries()
            .iter()
            .map(|entry| entry["kind"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(kinds, ["genesis", "received", "started", "finished"]);
        let (status, again) = world.propose("support-agent", body).await;
        assert_eq!((status, &again["id"]), (200, &answer["id"]), "{again:#}");
        assert_eq!((world.targets.crm().asked(), world.acted()), (1, (0, 1)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_and_not_shown_is_shown() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        for (method, path) in [
            ("PATCH", "/repos/*/check-runs/*"),
            ("POST", "/repos/*/issues/*/comments"),
        ] {
            let failure = Failure::Before { status: 502 };
            let never = Fault {
                times: 10_000,
                ..Fault::once(method, path, failure)
            };
            world.github.fault(never);
        }
        world.person("bob").approve(REPO, payment.pull).unwrap();
        world.settle().await;
        // The check could not say that the gate is open, so GitHub did not let the bot merge.
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("open", (0, 0))
        );
        world.github.clear_faults();
        let failure = Failure::Before { status: 502 };
        let never = Fault {
            times: 10_000,
            ..Fault::once("POST", "/repos/*/issues/*/comments", failure)
        };
        world.github.fault(never);
        world.sweep().await;
        assert_eq!(world.state(&payment).await, "executed");
        assert_eq!(world.github.comments(REPO, payment.pull).unwrap().len(), 0);
        dies_and_comes_back(world).await;
        let comments = world.github.comments(REPO, payment.pull).unwrap();
        assert_eq!(comments.len(), 1);
        assert_eq!(world.check(&payment).conclusion, "success");
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i18_a_ledger_that_was_rolled_back_runs_nothing() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        let dir = world.github.git_dir(REPO).unwrap();
        let head = git(&dir, &["rev-parse", "ledger"]);
        git(&dir, &["update-ref", "refs/heads/ledger", "ledger~2"]);
        world.person("bob").approve(REPO, payment.pull).unwrap();
        world.settle().await;
        world.sweep().await;
        assert_eq!(world.acted(), (0, 0));
        world.crash();
        let refused = world.start().await.unwrap_err();
        assert!(matches!(refused, AssembleError::Ledger(_)), "{refused}");
        assert!(refused.to_string().contains("rolled back"), "{refused}");
        git(&dir, &["update-ref", "refs/heads/ledger", head.trim()]);
        world.start().await.unwrap();
        world.sweep().await;
        assert_eq!(world.state(&payment).await, "executed");
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_i17_two_bots_start_everything_once() {
    story_with(manual(), async |world| {
        let second = world.second().await;
        let sweep = async |bot: &Bot| {
            bot.sweep().await;
            bot.idle().await;
            bot.recording().idle().await;
        };
        let mut proposals = Vec::new();
        for (supplier, iban) in [
            ("acme-ltd", "DE89370400440532013000"),
            ("globex", "NL91ABNA0417164300"),
            ("initech", "FR1420041010050500013M02606"),
        ] {
            let mut body = crate::world::payment();
            body["parameters"]["supplier_id"] = json!(supplier);
            body["parameters"]["iban"] = json!(iban);
            proposals.push(world.open("payments-agent", body).await);
        }
        for payment in &proposals {
            world.approve("alice", payment).await;
            world.approve("bob", payment).await;
        }
        let first = world.bot.clone();
        for payment in &proposals {
            world
                .person("dave")
                .merge(REPO, payment.pull, merge_commit())
                .unwrap();
            tokio::join!(sweep(&first), sweep(&second));
        }
        world.settle().await;
        for _ in 0..3 {
            tokio::join!(sweep(&first), sweep(&second));
        }
        world.settle().await;
        assert_eq!((world.targets.bank().asked(), world.acted()), (3, (3, 0)));
        for payment in &proposals {
            assert_eq!(world.state(payment).await, "executed");
            let kinds = world.kinds(payment);
            for kind in ["merged", "started", "finished"] {
                assert_eq!(
                    kinds.iter().filter(|known| *known == kind).count(),
                    1,
                    "{kinds:?}"
                );
            }
        }
        second.stopping().begin();
        second.tasks().idle().await;
        second.close().await;
    })
    .await;
}
