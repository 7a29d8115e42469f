//! Every gesture that people make on a pull request, and what comes of it: on the targets, the ledger and the check.

use std::time::Duration;

use countersign::sandbox::{AppSpec, DeliveryFault, MergeMethod, Permission};
use serde_json::{Value, json};

use crate::world::{Opened, REPO, Setup, World, campaign, git, merge_commit, payment, story, story_with};

const HOUR: Duration = Duration::from_secs(3_600);

const MANUAL: (&str, &str, &str) = (
    "tiers.yaml",
    "merge: auto                 # or manual",
    "merge: manual               # or manual",
);

fn manual() -> Setup {
    Setup {
        edits: vec![MANUAL],
        ..Setup::default()
    }
}

fn branch(of: &Opened) -> String {
    format!("countersign/{}", of.id)
}

async fn pay(world: &mut World, supplier: &str, iban: &str) -> Opened {
    let mut body = payment();
    body["parameters"]["supplier_id"] = json!(supplier);
    body["parameters"]["iban"] = json!(iban);
    world.open("payments-agent", body).await
}

async fn waits(world: &World, of: &Opened) {
    assert_eq!(world.state(of).await, "open");
    let check = world.check(of);
    assert_eq!(check.conclusion, "action_required", "{}", check.summary);
    assert_eq!(world.acted(), (0, 0));
}

async fn ran(world: &World, of: &Opened) {
    assert_eq!(world.state(of).await, "executed", "{}", world.check(of).summary);
    assert_eq!(world.check(of).conclusion, "success");
}

fn reviews(world: &World, of: &Opened) -> Vec<(String, String)> {
    world
        .about(of)
        .iter()
        .filter(|entry| entry["kind"] == "reviewed")
        .map(|entry| {
            let text = |name: &str| entry["body"][name].as_str().unwrap_or_default().to_owned();
            (text("login"), text("decision"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn i09_approving_twice_is_approving_once() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world.approve("alice", &payment).await;
        waits(world, &payment).await;
        world.approve("bob", &payment).await;
        ran(world, &payment).await;
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i07_i08_a_request_for_changes_blocks_until_the_same_person_approves() {
    story(async |world| {
        let payment = world.payment().await;
        world
            .person("alice")
            .request_changes(REPO, payment.pull, "why so much?")
            .unwrap();
        world.settle().await;
        assert_eq!(world.check(&payment).conclusion, "failure");
        world.approve("bob", &payment).await;
        assert_eq!(world.check(&payment).conclusion, "failure");
        assert!(world.check(&payment).summary.contains("alice"));
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("open", (0, 0))
        );
        world.approve("alice", &payment).await;
        ran(world, &payment).await;
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i07_a_comment_does_not_take_an_approval_back() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world
            .person("alice")
            .comment_review(REPO, payment.pull, "thanks")
            .unwrap();
        world
            .person("mallory")
            .comment(REPO, payment.pull, "hurry")
            .unwrap();
        world.settle().await;
        waits(world, &payment).await;
        world.approve("bob", &payment).await;
        ran(world, &payment).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i07_after_a_dismissal_an_older_approval_does_not_come_back() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        let newer = world.approve("alice", &payment).await;
        world
            .person("root")
            .dismiss(REPO, payment.pull, newer, "not now")
            .unwrap();
        world.settle().await;
        world.approve("bob", &payment).await;
        waits(world, &payment).await;
        world.approve("alice", &payment).await;
        ran(world, &payment).await;
        let said = reviews(world, &payment);
        assert_eq!(
            said.iter().filter(|(_, said)| said == "dismissed").count(),
            1,
            "{said:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i07_an_edited_approval_is_void() {
    story(async |world| {
        let payment = world.payment().await;
        let review = world.approve("alice", &payment).await;
        world
            .person("alice")
            .edit_review(REPO, payment.pull, review, "well")
            .unwrap();
        world.settle().await;
        world.approve("bob", &payment).await;
        waits(world, &payment).await;
        world.bot.sweep().await;
        world.settle().await;
        waits(world, &payment).await;
        world.approve("alice", &payment).await;
        ran(world, &payment).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i07_strangers_agents_and_readers_never_count() {
    let setup = Setup {
        agent_accounts: true,
        ..Setup::default()
    };
    story_with(setup, async |world| {
        let payment = world.payment().await;
        for login in ["mallory", "root", "support-agent[bot]", "payments-agent[bot]"] {
            world.approve(login, &payment).await;
        }
        waits(world, &payment).await;
        world.approve("bob", &payment).await;
        waits(world, &payment).await;
        // A team that may only read approves nothing.
        world
            .github
            .set_team_permission(REPO, "finance", Permission::Read)
            .unwrap();
        world.approve("alice", &payment).await;
        waits(world, &payment).await;
        world
            .github
            .set_team_permission(REPO, "finance", Permission::Write)
            .unwrap();
        world.sweep().await;
        ran(world, &payment).await;
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i07_a_deleted_account_s_approval_is_gone() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world.github.delete_user("alice").unwrap();
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "open");
        assert_ne!(world.check(&payment).conclusion, "success");
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i09_membership_is_looked_up_again_and_pending_is_none() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world.github.remove_member("acme", "finance", "alice").unwrap();
        world
            .github
            .set_permission(REPO, "alice", Permission::Write)
            .unwrap();
        world.approve("bob", &payment).await;
        waits(world, &payment).await;
        world.github.invite_member("acme", "finance", "alice").unwrap();
        world.approve("alice", &payment).await;
        waits(world, &payment).await;
        world.github.add_member("acme", "finance", "alice").unwrap();
        world.sweep().await;
        ran(world, &payment).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_a_sponsor_s_second_account_is_still_the_sponsor() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("carol-oncall", &payment).await;
        world.approve("bob", &payment).await;
        waits(world, &payment).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i09_one_person_counts_once_with_two_accounts_and_in_two_teams() {
    let setup = Setup {
        edits: vec![
            ("agents.yaml", "sponsor: carol", "sponsor: erin"),
            ("people.yaml", "teams: [finance]", "teams: [finance, treasury]"),
        ],
        ..Setup::default()
    };
    story_with(setup, async |world| {
        world.github.add_member("acme", "treasury", "carol").unwrap();
        let mut body = payment();
        body["sponsor"] = json!("erin");
        let payment = world.open("payments-agent", body).await;
        world.approve("carol", &payment).await;
        world.approve("carol-oncall", &payment).await;
        waits(world, &payment).await;
        world.approve("bob", &payment).await;
        ran(world, &payment).await;
    })
    .await;
}

/// A change of the pull request that the bot hears of only with the review that follows it.
async fn approves_on_an_edited_text(change: Value) {
    story(async |world| {
        let payment = world.payment().await;
        let shown = world.github.pull(REPO, payment.pull).unwrap();
        world
            .github
            .webhook_fault(Some("pull_request"), DeliveryFault::Lose, 1);
        world
            .person("mallory")
            .edit_pull(REPO, payment.pull, &change)
            .unwrap();
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        waits(world, &payment).await;
        let check = world.check(&payment);
        assert!(check.summary.contains("alice"), "{}", check.summary);
        let restored = world.github.pull(REPO, payment.pull).unwrap();
        assert_eq!(
            (&restored["title"], &restored["body"]),
            (&shown["title"], &shown["body"])
        );
        world.approve("alice", &payment).await;
        ran(world, &payment).await;
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i26_an_approval_of_a_foreign_body_is_asked_for_again() {
    approves_on_an_edited_text(json!({ "body": "Pay 1.00 EUR" })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i26_an_approval_of_a_foreign_title_is_asked_for_again() {
    approves_on_an_edited_text(json!({ "title": "Pay 1.00 EUR" })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i26_an_approval_from_before_a_foreign_edit_stays() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        let shown = world.github.pull(REPO, payment.pull).unwrap();
        let edited = json!({ "title": "Pay 1.00 EUR", "body": "" });
        world
            .person("mallory")
            .edit_pull(REPO, payment.pull, &edited)
            .unwrap();
        world.settle().await;
        let restored = world.github.pull(REPO, payment.pull).unwrap();
        assert_eq!(
            (&restored["title"], &restored["body"]),
            (&shown["title"], &shown["body"])
        );
        waits(world, &payment).await;
        world.approve("bob", &payment).await;
        ran(world, &payment).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i26_another_base_makes_it_void() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        let files = [("x.txt", "x")];
        world
            .person("mallory")
            .push_files(REPO, "other", &files, "x", false)
            .unwrap();
        let change = json!({ "base": "other" });
        world
            .person("mallory")
            .edit_pull(REPO, payment.pull, &change)
            .unwrap();
        world.settle().await;
        assert_eq!(world.state(&payment).await, "voided");
        assert_eq!(world.github.pull(REPO, payment.pull).unwrap()["state"], "closed");
        assert_eq!(world.check(&payment).conclusion, "failure");
        world.approve("bob", &payment).await;
        assert_eq!(world.acted(), (0, 0));
        let kinds = world.kinds(&payment);
        assert!(
            kinds.ends_with(&["incident".into(), "voided".into()]),
            "{kinds:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i12_closing_denies_and_reopening_does_not_undeny() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world.person("dave").close(REPO, payment.pull).unwrap();
        world.settle().await;
        assert_eq!(world.state(&payment).await, "denied");
        let denied = world.about(&payment).pop().unwrap();
        assert_eq!(
            (&denied["kind"], &denied["actor"]["person"]),
            (&json!("denied"), &json!("dave"))
        );
        world.person("dave").reopen(REPO, payment.pull).unwrap();
        world.settle().await;
        assert_eq!(world.github.pull(REPO, payment.pull).unwrap()["state"], "closed");
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "denied");
        assert_eq!(world.check(&payment).conclusion, "failure");
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_a_merge_after_an_end_is_a_bypass() {
    story(async |world| {
        let payment = world.payment().await;
        world.person("dave").close(REPO, payment.pull).unwrap();
        world.settle().await;
        world.github.webhook_fault(None, DeliveryFault::Hold, 100);
        world.person("root").reopen(REPO, payment.pull).unwrap();
        world
            .person("root")
            .merge(REPO, payment.pull, merge_commit())
            .unwrap();
        world.github.release_webhooks();
        world.settle().await;
        assert_eq!(world.state(&payment).await, "bypassed");
        assert_eq!(world.kinds(&payment).last().unwrap(), "bypassed");
        let campaign = world.campaign().await;
        world.both_later(HOUR * 24 * 4);
        world.sweep().await;
        assert_eq!(world.state(&campaign).await, "expired");
        world.github.webhook_fault(None, DeliveryFault::Hold, 100);
        world.person("root").reopen(REPO, campaign.pull).unwrap();
        world
            .person("root")
            .merge(REPO, campaign.pull, merge_commit())
            .unwrap();
        world.github.release_webhooks();
        world.settle().await;
        assert_eq!(world.state(&campaign).await, "bypassed");
        assert_eq!(world.check(&campaign).conclusion, "failure");
        world.sweep().await;
        assert_eq!(
            world
                .kinds(&campaign)
                .iter()
                .filter(|kind| *kind == "bypassed")
                .count(),
            1
        );
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_blocked_until_it_is_ready_again() {
    story(async |world| {
        let payment = world.payment().await;
        world.person("dave").set_draft(REPO, payment.pull, true).unwrap();
        world.settle().await;
        assert_eq!(world.check(&payment).conclusion, "failure");
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("open", (0, 0))
        );
        world.person("dave").set_draft(REPO, payment.pull, false).unwrap();
        world.settle().await;
        ran(world, &payment).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i12_silence_reminds_escalates_expires_and_never_approves() {
    story(async |world| {
        let payment = world.payment().await;
        let late = |world: &World, kind: &str| world.kinds(&payment).iter().filter(|k| *k == kind).count();
        world.both_later(HOUR * 2);
        world.sweep().await;
        world.sweep().await;
        assert_eq!((late(world, "reminded"), late(world, "escalated")), (1, 0));
        world.both_later(HOUR * 3);
        world.sweep().await;
        world.sweep().await;
        assert_eq!((late(world, "reminded"), late(world, "escalated")), (1, 1));
        waits(world, &payment).await;
        world.approve("alice", &payment).await;
        world.both_later(HOUR * 48);
        world.sweep().await;
        assert_eq!(world.state(&payment).await, "expired");
        assert_eq!(world.kinds(&payment).last().unwrap(), "expired");
        assert_eq!(world.github.pull(REPO, payment.pull).unwrap()["state"], "closed");
        assert_eq!(world.check(&payment).conclusion, "failure");
        world.approve("bob", &payment).await;
        world.sweep().await;
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("expired", (0, 0))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i12_an_old_approval_must_be_given_again() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world.both_later(HOUR * 25);
        world.approve("bob", &payment).await;
        waits(world, &payment).await;
        assert!(world.check(&payment).summary.contains("alice"));
        world.approve("alice", &payment).await;
        ran(world, &payment).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_the_branch_denies() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world
            .person("mallory")
            .delete_branch(REPO, &branch(&payment))
            .unwrap();
        world.settle().await;
        assert_eq!(world.state(&payment).await, "denied");
        world.approve("bob", &payment).await;
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_a_releaser_merges_and_their_own_approval_does_not_count() {
    story_with(manual(), async |world| {
        let one = pay(world, "acme-ltd", "DE89370400440532013000").await;
        world.approve("alice", &one).await;
        world.approve("bob", &one).await;
        assert_eq!(world.state(&one).await, "open");
        assert_eq!(world.check(&one).conclusion, "success");
        assert_eq!(world.acted(), (0, 0));
        world
            .person("dave")
            .merge(REPO, one.pull, merge_commit())
            .unwrap();
        world.settle().await;
        ran(world, &one).await;
        let two = pay(world, "globex", "NL91ABNA0417164300").await;
        world.approve("alice", &two).await;
        world.approve("bob", &two).await;
        assert_eq!(world.check(&two).conclusion, "success");
        world.person("bob").merge(REPO, two.pull, merge_commit()).unwrap();
        world.settle().await;
        assert_eq!(world.state(&two).await, "bypassed");
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_squashed_and_rebased_merges_never_execute() {
    story_with(manual(), async |world| {
        let one = pay(world, "acme-ltd", "DE89370400440532013000").await;
        let two = pay(world, "globex", "NL91ABNA0417164300").await;
        for (payment, method) in [(&one, MergeMethod::Squash), (&two, MergeMethod::Rebase)] {
            world.approve("alice", payment).await;
            world.approve("bob", payment).await;
            assert_eq!(world.check(payment).conclusion, "success");
            world.person("dave").merge(REPO, payment.pull, method).unwrap();
            world.settle().await;
            assert_eq!(world.state(payment).await, "bypassed");
            assert_eq!(world.check(payment).conclusion, "failure");
        }
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_files_pushed_to_the_base_by_an_administrator_never_execute() {
    story(async |world| {
        let payment = world.payment().await;
        let dir = world.github.git_dir(REPO).unwrap();
        let head = branch(&payment);
        let names = git(&dir, &["diff", "--name-only", "main", &head]);
        let files: Vec<(String, String)> = names
            .lines()
            .map(|name| (name.to_owned(), git(&dir, &["show", &format!("{head}:{name}")])))
            .collect();
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        world
            .person("root")
            .push_files(REPO, "main", &files, "shortcut", false)
            .unwrap();
        world.settle().await;
        assert_eq!(world.state(&payment).await, "open");
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "bypassed");
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i27_forged_checks_and_statuses_change_nothing() {
    story(async |world| {
        let payment = world.payment().await;
        let head = world.github.branch_head(REPO, &branch(&payment)).unwrap();
        world
            .person("mallory")
            .set_status(REPO, &head, "countersign", "success")
            .unwrap();
        let spec = AppSpec {
            slug: "forger".into(),
            owner: "acme".into(),
            permissions: vec![("checks".into(), "write".into())],
            events: Vec::new(),
            webhook_url: None,
        };
        let forger = world.github.create_app(spec).unwrap();
        let installation = world.github.install(forger.id, "acme", &[REPO]).unwrap();
        let token = world.github.installation_token(installation).unwrap();
        let forged = reqwest::Client::new()
            .post(format!("{}/repos/{REPO}/check-runs", world.github.api_url()))
            .bearer_auth(token)
            .header("user-agent", "forger")
            .json(&json!({
                "name": "countersign", "head_sha": head, "status": "completed", "conclusion": "success",
            }))
            .send()
            .await
            .unwrap();
        assert_eq!(forged.status(), 201);
        world.settle().await;
        let refused = world.person("mallory").merge(REPO, payment.pull, merge_commit());
        assert!(refused.is_err(), "{refused:?}");
        world.sweep().await;
        let runs = world.github.check_runs(REPO, &head).unwrap();
        let ours: Vec<&Value> = runs
            .iter()
            .filter(|run| run["app"]["id"] == json!(world.app.id))
            .collect();
        assert_eq!(ours.len(), 1);
        assert_eq!(ours[0]["conclusion"], "action_required");
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("open", (0, 0))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_open_proposals_both_run() {
    story(async |world| {
        let payment = world.payment().await;
        let campaign = world.campaign().await;
        world.person("alice").approve(REPO, payment.pull).unwrap();
        world.person("dave").approve(REPO, campaign.pull).unwrap();
        world.person("bob").approve(REPO, payment.pull).unwrap();
        world.settle().await;
        ran(world, &payment).await;
        ran(world, &campaign).await;
        assert_eq!(world.acted(), (1, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i13_facts_that_changed_before_the_merge_make_it_void() {
    story(async |world| {
        let one = world.payment().await;
        let two = world.payment().await;
        for payment in [&one, &two] {
            world.approve("alice", payment).await;
            world.approve("bob", payment).await;
        }
        ran(world, &one).await;
        assert_eq!(world.state(&two).await, "voided");
        assert_eq!(world.kinds(&two).last().unwrap(), "voided");
        assert_eq!(world.github.pull(REPO, two.pull).unwrap()["merged"], false);
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i13_facts_that_changed_after_the_merge_stop_the_act() {
    story_with(manual(), async |world| {
        let one = world.payment().await;
        let two = world.payment().await;
        for payment in [&one, &two] {
            world.approve("alice", payment).await;
            world.approve("bob", payment).await;
        }
        for payment in [&one, &two] {
            world
                .person("dave")
                .merge(REPO, payment.pull, merge_commit())
                .unwrap();
            world.settle().await;
        }
        ran(world, &one).await;
        assert_eq!(world.state(&two).await, "refused");
        assert_eq!(world.check(&two).conclusion, "failure");
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i15_a_merge_that_is_found_too_late_is_refused() {
    story_with(manual(), async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        world.github.webhook_fault(None, DeliveryFault::Lose, 100);
        world
            .person("dave")
            .merge(REPO, payment.pull, merge_commit())
            .unwrap();
        world.github.release_webhooks();
        world.both_later(HOUR + Duration::from_secs(60));
        world.sweep().await;
        assert_eq!(world.state(&payment).await, "refused_after_merge");
        let kinds = world.kinds(&payment);
        let end: Vec<String> = ["merged", "observed", "refused_after_merge"]
            .map(String::from)
            .to_vec();
        assert!(kinds.ends_with(&end), "{kinds:?}");
        assert_eq!(world.check(&payment).conclusion, "failure");
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_another_policy_on_the_base_opens_and_executes_nothing() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        let (old, new) = stricter(world);
        let put = |world: &World, text: &str| {
            let files = [(TIERS, text)];
            world
                .person("root")
                .push_files(REPO, "main", &files, "Rules", false)
                .unwrap();
        };
        put(world, &new);
        world.settle().await;
        assert_eq!(world.check(&payment).conclusion, "failure");
        world.approve("bob", &payment).await;
        let (status, answer) = world.propose("campaign-agent", campaign()).await;
        assert_eq!(status, 503, "{answer:#}");
        world.restart().await;
        world.sweep().await;
        assert_eq!(world.acted(), (0, 0));
        assert_eq!(world.kinds(&payment).last().unwrap(), "reviewed");
        put(world, &old);
        world.settle().await;
        ran(world, &payment).await;
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_a_merge_under_another_policy_never_executes() {
    story_with(manual(), async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        let (_, new) = stricter(world);
        world.github.webhook_fault(None, DeliveryFault::Hold, 100);
        let root = world.person("root");
        root.push_files(REPO, "main", &[(TIERS, &new)], "Rules", false)
            .unwrap();
        world
            .person("dave")
            .merge(REPO, payment.pull, merge_commit())
            .unwrap();
        world.github.release_webhooks();
        world.settle().await;
        assert_eq!(world.kinds(&payment).last().unwrap(), "policy_changed");
        assert_eq!(world.check(&payment).conclusion, "failure");
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

const TIERS: &str = "policies/tiers.yaml";

/// The rules as they are, and with one approval more.
fn stricter(world: &World) -> (String, String) {
    let dir = world.github.git_dir(REPO).unwrap();
    let old = git(&dir, &["show", &format!("main:{TIERS}")]);
    let new = old.replace("approvals: 2 ", "approvals: 3 ");
    assert_ne!(old, new);
    (old, new)
}
