//! What goes wrong on the way: webhooks, GitHub's answers, Git, the targets. Everything ends as if it had not, or shut.

use std::time::Duration;

use countersign::{
    cli::demo::targets::Fault as Broken,
    sandbox::{DeliveryFault, Failure, Fault},
};
use serde_json::{Value, json};

use crate::world::{Opened, REPO, Setup, World, git, note, payment, story, story_with};

const PUSH: &str = "/acme/approvals.git/git-receive-pack";
const A_WHILE: Duration = Duration::from_secs(3);
/// Rounds of the sweep that any fault of these tests is over after.
const ROUNDS: usize = 12;

/// The catalog without the promise that the bank acts once for one key.
const ONCE: (&str, &str, &str) = (
    "catalog.yaml",
    "        idempotency_header: Idempotency-Key\n",
    "",
);

fn fault(method: &str, path: &str, failure: Failure, times: usize) -> Fault {
    Fault {
        times,
        ..Fault::once(method, path, failure)
    }
}

/// Sweeps until a proposal is where it should be.
async fn sweep_until(world: &mut World, of: &Opened, state: &str) {
    for _ in 0..ROUNDS {
        if world.state(of).await == state {
            return;
        }
        world.sweep().await;
    }
    panic!("{} and not {state}: {:?}", world.state(of).await, world.kinds(of));
}

fn ours(world: &World, of: &Opened) -> (usize, usize) {
    let head = world
        .github
        .branch_head(REPO, &format!("countersign/{}", of.id))
        .unwrap();
    let runs = world.github.check_runs(REPO, &head).unwrap();
    let comments = world.github.comments(REPO, of.pull).unwrap();
    (runs.len(), comments.len())
}

async fn pays(world: &mut World) -> Opened {
    let payment = world.payment().await;
    world.approve("alice", &payment).await;
    world.approve("bob", &payment).await;
    sweep_until(world, &payment, "executed").await;
    world.sweep().await;
    assert_eq!(world.acted(), (1, 0));
    assert_eq!(world.github.pulls(REPO).unwrap().len(), 1);
    assert_eq!(ours(world, &payment), (1, 1));
    assert_eq!(world.check(&payment).conclusion, "success");
    payment
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_lost_webhooks_heal_by_the_sweep() {
    story(async |world| {
        world.github.webhook_fault(None, DeliveryFault::Lose, 1_000);
        let payment = world.payment().await;
        // GitHub tells times in whole seconds.
        world.both_later(A_WHILE);
        for login in ["alice", "bob"] {
            world.approve(login, &payment).await;
        }
        assert_eq!(world.state(&payment).await, "open");
        world.sweep().await;
        sweep_until(world, &payment, "executed").await;
        assert_eq!(world.acted(), (1, 0));
        let found: Vec<Value> = world
            .about(&payment)
            .into_iter()
            .filter(|entry| entry["kind"] == "reviewed")
            .map(|entry| entry["body"]["found"].clone())
            .collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found.iter().all(|found| found.to_string().contains("sweep")),
            "{found:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_a_lost_merge_in_time_is_not_an_expiry() {
    let setup = Setup {
        edits: vec![(
            "tiers.yaml",
            "merge: auto                 # or manual",
            "merge: manual               # or manual",
        )],
        ..Setup::default()
    };
    story_with(setup, async |world| {
        let payment = world.payment().await;
        world.both_later(Duration::from_secs(47 * 3_600 + 3_000));
        for login in ["alice", "bob"] {
            world.approve(login, &payment).await;
        }
        assert_eq!(world.check(&payment).conclusion, "success");
        world.github.webhook_fault(None, DeliveryFault::Lose, 1_000);
        let merge = crate::world::merge_commit();
        world.person("dave").merge(REPO, payment.pull, merge).unwrap();
        world.both_later(Duration::from_secs(1_800));
        world.sweep().await;
        assert_eq!(world.state(&payment).await, "executed");
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i06_a_review_found_late_counts_only_after_every_change_of_the_head() {
    story(async |world| {
        let payment = world.payment().await;
        let (dir, branch) = (
            world.github.git_dir(REPO).unwrap(),
            format!("countersign/{}", payment.id),
        );
        let head = world.github.branch_head(REPO, &branch).unwrap();
        world.github.webhook_fault(None, DeliveryFault::Lose, 1_000);
        world.both_later(A_WHILE);
        world.approve("alice", &payment).await;
        world.both_later(A_WHILE);
        let mallory = world.person("mallory");
        mallory
            .push_files(REPO, &branch, &[("x.txt", "x")], "x", true)
            .unwrap();
        let token = world.github.user_token("mallory").unwrap();
        let url = world
            .github
            .url()
            .replace("http://", &format!("http://mallory:{token}@"));
        let back = format!("{head}:refs/heads/{branch}");
        git(
            &dir,
            &["push", "--quiet", "--force", &format!("{url}/{REPO}.git"), &back],
        );
        world.both_later(A_WHILE);
        world.approve("bob", &payment).await;
        world.github.release_webhooks();
        world.sweep().await;
        assert_eq!(world.state(&payment).await, "open");
        let check = world.check(&payment);
        assert!(check.summary.contains("alice"), "{}", check.summary);
        assert_eq!(world.acted(), (0, 0));
        world.approve("alice", &payment).await;
        assert_eq!(world.state(&payment).await, "executed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i06_a_review_that_a_look_found_too_early_counts_when_its_event_comes() {
    story(async |world| {
        // All of it in the very second in which the head came to be: a look can't tell which was first.
        let second = jiff::Timestamp::now();
        world.github.clock().set(second);
        let payment = world.payment().await;
        world.github.clock().set(second);
        world.github.webhook_fault(None, DeliveryFault::Hold, 1_000);
        for login in ["alice", "bob"] {
            world.person(login).approve(REPO, payment.pull).unwrap();
        }
        world.sweep().await;
        assert_eq!(world.state(&payment).await, "open");
        world.github.release_webhooks();
        world.settle().await;
        assert_eq!(world.state(&payment).await, "executed");
        let reviewed = |world: &World| {
            let kinds = world.kinds(&payment);
            kinds.iter().filter(|kind| *kind == "reviewed").count()
        };
        assert_eq!(reviewed(world), 4, "found by a look, then told of");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_doubled_webhooks_change_nothing() {
    story(async |world| {
        world.github.webhook_fault(None, DeliveryFault::Duplicate, 1_000);
        let payment = pays(world).await;
        let reviews = world
            .kinds(&payment)
            .iter()
            .filter(|kind| *kind == "reviewed")
            .count();
        assert_eq!(reviews, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_reordered_webhooks_end_in_the_same_state() {
    story(async |world| {
        let payment = world.payment().await;
        world.github.webhook_fault(None, DeliveryFault::Hold, 1_000);
        let review = world.person("alice").approve(REPO, payment.pull).unwrap();
        world
            .person("root")
            .dismiss(REPO, payment.pull, review, "no")
            .unwrap();
        world.person("bob").approve(REPO, payment.pull).unwrap();
        world.github.release_webhooks_reversed();
        world.settle().await;
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("open", (0, 0))
        );
        world.github.webhook_fault(None, DeliveryFault::Hold, 1_000);
        world
            .person("alice")
            .comment_review(REPO, payment.pull, "again")
            .unwrap();
        world.person("alice").approve(REPO, payment.pull).unwrap();
        world.github.release_webhooks_reversed();
        world.settle().await;
        assert_eq!(world.state(&payment).await, "executed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i06_an_approval_told_of_after_a_foreign_push_revives_nothing() {
    story(async |world| {
        let payment = world.payment().await;
        world
            .github
            .webhook_fault(Some("pull_request_review"), DeliveryFault::Hold, 10);
        world.person("alice").approve(REPO, payment.pull).unwrap();
        world.person("bob").approve(REPO, payment.pull).unwrap();
        let branch = format!("countersign/{}", payment.id);
        world
            .person("mallory")
            .push_files(REPO, &branch, &[("x.txt", "x")], "x", false)
            .unwrap();
        world.settle().await;
        assert_eq!(world.state(&payment).await, "voided");
        world.github.release_webhooks();
        world.settle().await;
        world.sweep().await;
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("voided", (0, 0))
        );
    })
    .await;
}

const EFFECTS: [(&str, &str); 7] = [
    ("POST", "/repos/*/pulls"),
    ("POST", "/repos/*/check-runs"),
    ("PATCH", "/repos/*/check-runs/*"),
    ("POST", "/repos/*/pulls/*/requested_reviewers"),
    ("PUT", "/repos/*/pulls/*/merge"),
    ("POST", "/repos/*/issues/*/comments"),
    ("PATCH", "/repos/*/issues/comments/*"),
];

#[tokio::test(flavor = "multi_thread")]
async fn i31_effects_that_fail_before_they_happen_happen_once() {
    story(async |world| {
        for (method, path) in EFFECTS {
            world
                .github
                .fault(fault(method, path, Failure::Before { status: 502 }, 1));
        }
        pays(world).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i31_effects_that_happen_and_answer_502_happen_once() {
    story(async |world| {
        for (method, path) in EFFECTS {
            world
                .github
                .fault(fault(method, path, Failure::After { status: 502 }, 1));
        }
        pays(world).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i31_limits_are_waited_for() {
    story(async |world| {
        let secondary = |status| Failure::SecondaryLimit {
            status,
            retry_after: 1,
        };
        world
            .github
            .fault(fault("GET", "/repos/*/pulls/*/reviews", secondary(429), 2));
        world
            .github
            .fault(fault("PUT", "/repos/*/pulls/*/merge", secondary(403), 1));
        let primary = Failure::PrimaryLimit { reset_in: 1 };
        world
            .github
            .fault(fault("GET", "/repos/*/collaborators/*/permission", primary, 1));
        let slow = Failure::Slow {
            by: Duration::from_millis(300),
        };
        world.github.fault(fault("GET", "/repos/*/pulls/*", slow, 3));
        pays(world).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_lists_that_break_off_never_open() {
    let refused = Failure::Before { status: 500 };
    for (path, failure) in [
        ("/repos/*/pulls/*/reviews", Failure::Truncated),
        // It did not change since it was read, so that there is no body to break off.
        ("/repos/*/pulls/*/commits", refused),
        ("/repos/*/collaborators/*/permission", Failure::Empty),
    ] {
        story(async |world| {
            let payment = world.payment().await;
            world.approve("alice", &payment).await;
            world.github.fault(fault("GET", path, failure, 1_000));
            world.approve("bob", &payment).await;
            for _ in 0..2 {
                assert_eq!(world.state(&payment).await, "open", "{path}");
                assert_ne!(world.check(&payment).conclusion, "success", "{path}");
                assert_eq!(world.acted(), (0, 0));
                world.sweep().await;
            }
            world.github.clear_faults();
            sweep_until(world, &payment, "executed").await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_can_t_be_pushed_is_pushed_by_the_sweep() {
    story(async |world| {
        let nothing = Failure::Slow { by: Duration::ZERO };
        for failure in [Failure::Before { status: 502 }, Failure::After { status: 502 }] {
            // The first push records `received`.
            world.github.fault(fault("POST", PUSH, nothing.clone(), 1));
            world.github.fault(fault("POST", PUSH, failure, 1));
            let (status, answer) = world.propose("campaign-agent", crate::world::campaign()).await;
            assert_eq!(status, 202, "{answer:#}");
            world.settle().await;
            world.sweep().await;
            let id = answer["id"].as_str().unwrap().to_owned();
            let told = world.status("campaign-agent", &id).await;
            let pull = told["pull_request"]
                .as_u64()
                .unwrap_or_else(|| panic!("{told:#}"));
            let campaign = Opened {
                id,
                pull,
                agent: "campaign-agent",
            };
            world.approve("dave", &campaign).await;
            sweep_until(world, &campaign, "executed").await;
        }
        assert_eq!(world.github.pulls(REPO).unwrap().len(), 2);
        assert_eq!(world.acted(), (0, 2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_that_can_t_be_opened_keeps_no_other_from_it() {
    story(async |world| {
        let mut ids = Vec::new();
        for _ in 0..2 {
            let nothing = Failure::Slow { by: Duration::ZERO };
            world.github.fault(fault("POST", PUSH, nothing, 1));
            world
                .github
                .fault(fault("POST", PUSH, Failure::Before { status: 502 }, 1));
            let (status, answer) = world.propose("campaign-agent", crate::world::campaign()).await;
            assert_eq!(status, 202, "{answer:#}");
            ids.push(answer["id"].as_str().unwrap().to_owned());
        }
        let taken = format!("countersign/{}", ids[0]);
        let mallory = world.person("mallory");
        mallory
            .push_files(REPO, &taken, &[("x.txt", "x")], "mine", false)
            .unwrap();
        world.sweep().await;
        let first = world.status("campaign-agent", &ids[0]).await;
        let second = world.status("campaign-agent", &ids[1]).await;
        assert_eq!(
            (&first["state"], &second["state"]),
            (&json!("received"), &json!("open"))
        );
        world.both_later(Duration::from_secs(4 * 24 * 3_600));
        world.sweep().await;
        world.sweep().await;
        for id in &ids {
            assert_eq!(world.status("campaign-agent", id).await["state"], "expired");
        }
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_ledger_did_not_take_did_not_happen() {
    story(async |world| {
        let mut body = payment();
        body["idempotency_key"] = json!("invoice-118");
        world
            .github
            .fault(fault("POST", PUSH, Failure::Before { status: 502 }, 1));
        let (status, answer) = world.propose("payments-agent", body.clone()).await;
        assert_eq!(status, 503, "{answer:#}");
        assert_eq!(world.github.pulls(REPO).unwrap().len(), 0);
        world
            .github
            .fault(fault("POST", PUSH, Failure::After { status: 502 }, 1));
        let (status, one) = world.propose("payments-agent", body.clone()).await;
        assert_eq!(status, 202, "{one:#}");
        let (status, two) = world.propose("payments-agent", body).await;
        assert_eq!((status, &two["id"]), (200, &one["id"]), "{two:#}");
        world.settle().await;
        assert_eq!(world.github.pulls(REPO).unwrap().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_a_ledger_that_loses_its_answers_holds_everything_once() {
    story(async |world| {
        let payment = world.payment().await;
        world
            .github
            .fault(fault("POST", PUSH, Failure::After { status: 504 }, 100));
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        sweep_until(world, &payment, "executed").await;
        world.github.clear_faults();
        assert_eq!(world.acted(), (1, 0));
        let started = world
            .kinds(&payment)
            .iter()
            .filter(|kind| *kind == "started")
            .count();
        assert_eq!(started, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_a_ledger_that_takes_nothing_starts_nothing() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world
            .github
            .fault(fault("POST", PUSH, Failure::Before { status: 502 }, 1_000));
        world.approve("bob", &payment).await;
        world.sweep().await;
        assert_eq!(world.acted(), (0, 0));
        assert_eq!(world.github.pull(REPO, payment.pull).unwrap()["merged"], false);
        world.github.clear_faults();
        world.sweep().await;
        sweep_until(world, &payment, "executed").await;
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_a_target_that_acts_once_for_one_key_is_asked_again() {
    for broken in [
        Broken::FailBefore,
        Broken::FailAfter,
        Broken::DropAfter,
        Broken::Busy,
        Broken::Slow(Duration::from_millis(500)),
    ] {
        story(async |world| {
            world.targets.bank().fault(broken);
            pays(world).await;
            world.targets.crm().fault(broken);
            let (status, answer) = world.propose("support-agent", note()).await;
            assert_eq!(
                (status, &answer["state"]),
                (201, &json!("executed")),
                "{broken:?} {answer:#}"
            );
            assert_eq!(world.acted(), (1, 1));
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i21_a_target_that_does_not_promise_that_is_asked_once() {
    for (broken, acts) in [
        (Broken::FailBefore, 0),
        (Broken::FailAfter, 1),
        (Broken::DropAfter, 1),
        (Broken::Slow(Duration::from_secs(3)), 1),
    ] {
        let setup = Setup {
            edits: vec![ONCE, ("catalog.yaml", "timeout: 60s", "timeout: 1s")],
            ..Setup::default()
        };
        story_with(setup, async |world| {
            let payment = world.payment().await;
            world.targets.bank().fault(broken);
            world.approve("alice", &payment).await;
            world.approve("bob", &payment).await;
            assert_eq!(world.state(&payment).await, "unknown", "{broken:?}");
            assert_eq!(world.check(&payment).conclusion, "failure");
            world.sweep().await;
            world.sweep().await;
            assert_eq!(world.targets.bank().asked(), acts, "{broken:?}");
            assert_eq!(world.acted(), (acts, 0));
            assert_eq!(world.kinds(&payment).last().unwrap(), "unknown");
            world.targets.crm().fault(Broken::FailAfter);
            let (status, answer) = world.propose("support-agent", note()).await;
            assert_eq!((status, &answer["state"]), (202, &json!("unknown")), "{answer:#}");
            world.settle().await;
            assert_eq!(world.targets.crm().asked(), 1);
            assert_eq!(world.entries().last().unwrap()["kind"], "unknown");
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_who_closed_is_recorded_though_the_webhook_was_lost() {
    story(async |world| {
        let campaign = world.campaign().await;
        world.github.webhook_fault(None, DeliveryFault::Lose, 1);
        world.person("dave").close(REPO, campaign.pull).unwrap();
        world.sweep().await;
        let denied = world.about(&campaign).pop().unwrap();
        let dave = world.github.user_id("dave").unwrap();
        assert_eq!(
            (
                &denied["kind"],
                &denied["body"]["account"],
                &denied["actor"]["person"]
            ),
            (&json!("denied"), &json!(dave), &json!("dave")),
            "{denied:#}"
        );
    })
    .await;
}
