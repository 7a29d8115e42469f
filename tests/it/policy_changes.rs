//! Pull requests that change the rules, by people: what brings other rules into force, and what does not. INVARIANT i02.

mod bad_input;
mod people;
mod replayed;

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Opened, REPO, Setup, World, campaign, git, merge_commit, note, story, story_with};

pub(crate) const TIERS: &str = "policies/tiers.yaml";
const OWNERS: &str = "policies/CODEOWNERS";
const PEOPLE: &str = "policies/people.yaml";
/// Rules that are stricter in a way that no story here depends on.
pub(crate) const STRICTER: (&str, &str) = ("escalate_after: 4h", "escalate_after: 3h");

/// A file of the base branch as it is now.
pub(crate) fn held(world: &World, path: &str) -> String {
    git(
        &world.github.git_dir(REPO).unwrap(),
        &["show", &format!("main:{path}")],
    )
}

/// The file with something put in the place of something else.
pub(crate) fn edited(world: &World, path: &str, (from, to): (&str, &str)) -> String {
    let text = held(world, path);
    assert!(text.contains(from), "{path} has no `{from}`");
    text.replace(from, to)
}

pub(crate) fn push(world: &World, login: &str, branch: &str, files: &[(&str, &str)]) {
    world
        .person(login)
        .push_files(REPO, branch, files, "Change the rules", false)
        .unwrap();
}

/// Somebody's pull request with some files.
async fn propose(world: &mut World, login: &str, branch: &str, files: &[(&str, &str)]) -> Opened {
    push(world, login, branch, files);
    let pull = world
        .person(login)
        .open_pull(REPO, branch, "main", "Change the rules", "As discussed.")
        .unwrap();
    world.settle().await;
    world.both_later(Duration::from_secs(2));
    Opened {
        id: String::new(),
        pull,
        agent: "payments-agent",
    }
}

/// Dave's pull request with one edit.
pub(crate) async fn change(world: &mut World, branch: &str, path: &str, edit: (&str, &str)) -> Opened {
    let text = edited(world, path, edit);
    propose(world, "dave", branch, &[(path, &text)]).await
}

pub(crate) fn merged(world: &World, of: &Opened) -> bool {
    world.github.pull(REPO, of.pull).unwrap()["merged"] == json!(true)
}

async fn waits(world: &World, of: &Opened, words: &str) {
    let check = world.check(of);
    assert_eq!(check.conclusion, "action_required", "{}", check.summary);
    assert!(check.summary.contains(words), "{}", check.summary);
    assert!(!merged(world, of));
    assert!(world.of_kind("policy").is_empty());
}

async fn ready(world: &World) -> (u16, Value) {
    world.raw("GET", "/readyz", &[], Vec::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_other_rules_come_into_force_when_two_owners_of_the_rules_approve() {
    story(async |world| {
        let (status, answer) = world.propose("support-agent", note()).await;
        assert_eq!(status, 201, "{answer:#}");
        let old = ready(world).await.1["policy"].clone();
        let pull = change(world, "rules", TIERS, STRICTER).await;
        waits(world, &pull, "0 of 2").await;
        world.restart().await;
        world.approve("alice", &pull).await;
        waits(world, &pull, "1 of 2").await;
        world.restart().await;
        world.sweep().await;
        waits(world, &pull, "bob (treasury)").await;
        // What runs under the old rules is recorded before they end.
        let (status, last) = world.propose("support-agent", note()).await;
        assert_eq!(status, 201);
        world.approve("bob", &pull).await;
        assert!(merged(world, &pull));
        let order: Vec<Value> = world.entries();
        let place = |found: &dyn Fn(&Value) -> bool| order.iter().position(found).unwrap();
        let ended = place(&|entry| entry["kind"] == "finished" && entry["proposal"] == last["id"]);
        assert!(ended < place(&|entry| entry["kind"] == "policy"));
        let entries = world.of_kind("policy");
        assert_eq!(entries.len(), 1, "{entries:#?}");
        let body = &entries[0]["body"];
        assert_eq!(body["old"], old);
        assert_eq!(body["new"], ready(world).await.1["policy"]);
        assert_ne!(body["new"], body["old"]);
        assert_eq!(body["pull"], json!(pull.pull));
        let who: Vec<_> = body["approvers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["under"].as_str().unwrap(), one["person"].as_str().unwrap()))
            .collect();
        assert_eq!(
            who,
            [("old", "alice"), ("old", "bob"), ("new", "alice"), ("new", "bob")]
        );
        let subjects = world.subjects();
        let line = subjects.iter().find(|line| line.starts_with("policy: ")).unwrap();
        assert!(
            line.ends_with(", approved by alice (finance), bob (treasury), merged by the gate"),
            "{line}"
        );
        let check = world.check(&pull);
        assert_eq!(
            (check.conclusion.as_str(), check.title.as_str()),
            ("success", "In force")
        );
        world.restart().await;
        world.sweep().await;
        assert_eq!(world.of_kind("policy").len(), 1);
        assert!(world.of_kind("incident").is_empty());
        let campaign = world.campaign().await;
        world.approve("dave", &campaign).await;
        assert_eq!(world.state(&campaign).await, "executed");
        let (status, _) = world.propose("support-agent", note()).await;
        assert_eq!(status, 201);
        world.settle().await;
        assert_eq!(world.acted(), (0, 4));
    })
    .await;
}

/// The rules belong to other teams from now on.
const OTHER_OWNERS: (&str, &str) = (
    "/policies/             @acme/finance @acme/treasury",
    "/policies/             @acme/marketing @acme/treasury",
);

#[tokio::test(flavor = "multi_thread")]
async fn i02_what_satisfies_only_the_old_rules_changes_nothing() {
    story(async |world| {
        let pull = change(world, "rules", OWNERS, OTHER_OWNERS).await;
        world.approve("alice", &pull).await;
        world.approve("bob", &pull).await;
        waits(
            world,
            &pull,
            "By the new rules: Approvals: 1 of 2 (bob); ask erin (marketing)",
        )
        .await;
        world.restart().await;
        world.sweep().await;
        waits(world, &pull, "ask erin (marketing)").await;
        world.approve("erin", &pull).await;
        assert!(merged(world, &pull));
        assert_eq!(world.of_kind("policy").len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_new_rules_do_not_help_themselves() {
    story(async |world| {
        // Dave makes his friends the owners, and asks for less.
        let owners = edited(world, OWNERS, OTHER_OWNERS);
        let tiers = edited(world, TIERS, ("distinct_teams: true ", "distinct_teams: false"));
        let pull = propose(world, "dave", "rules", &[(OWNERS, &owners), (TIERS, &tiers)]).await;
        world.approve("erin", &pull).await;
        world.approve("bob", &pull).await;
        waits(
            world,
            &pull,
            "By the rules in force: Approvals: 1 of 2 (bob); ask alice (finance)",
        )
        .await;
        world.restart().await;
        world.sweep().await;
        waits(world, &pull, "ask alice (finance)").await;
        world.approve("alice", &pull).await;
        assert!(merged(world, &pull));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_nobody_becomes_another_person_by_the_change_they_propose() {
    story(async |world| {
        // Carol's second account would be somebody else, and an owner.
        let people = held(world, PEOPLE);
        let line = people
            .lines()
            .find(|line| line.contains("login: carol-oncall"))
            .unwrap();
        let account = line.trim().trim_start_matches("- ");
        let people = format!(
            "{}  zoe:\n    full_name: Zoe\n    accounts: [{account}]\n    teams: [finance]\n",
            people.replace(&format!("{line}\n"), "")
        );
        let pull = propose(world, "carol", "rules", &[(PEOPLE, &people)]).await;
        assert_eq!(
            world.check(&pull).conclusion,
            "action_required",
            "{}",
            world.check(&pull).summary
        );
        world.approve("carol-oncall", &pull).await;
        world.approve("bob", &pull).await;
        waits(world, &pull, "1 of 2 (bob)").await;
        world.approve("alice", &pull).await;
        assert!(merged(world, &pull));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_every_new_head_clears_the_approvals() {
    story(async |world| {
        let pull = change(world, "rules", TIERS, STRICTER).await;
        world.approve("alice", &pull).await;
        let worse = edited(world, TIERS, ("expires_after: 2d", "expires_after: 9d"));
        push(world, "dave", "rules", &[(TIERS, &worse)]);
        world.settle().await;
        world.both_later(Duration::from_secs(2));
        waits(world, &pull, "0 of 2").await;
        world.approve("bob", &pull).await;
        waits(world, &pull, "1 of 2 (bob)").await;
        world.restart().await;
        world.sweep().await;
        waits(world, &pull, "1 of 2 (bob)").await;
        world.approve("alice", &pull).await;
        assert!(merged(world, &pull));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_whoever_pushed_a_commit_to_a_change_of_the_rules_does_not_approve_it() {
    story(async |world| {
        let pull = change(world, "rules", TIERS, STRICTER).await;
        push(world, "alice", "rules", &[("docs/why.md", "Because.\n")]);
        world.settle().await;
        world.both_later(Duration::from_secs(2));
        world.approve("alice", &pull).await;
        world.approve("bob", &pull).await;
        waits(world, &pull, "whoever writes, pushes or merges it never approves").await;
        world.approve("carol", &pull).await;
        assert!(merged(world, &pull));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_rules_merged_around_the_gate_stop_everything_until_they_are_reverted() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        let before = held(world, TIERS);
        let pull = change(world, "rules", TIERS, STRICTER).await;
        world.approve("alice", &pull).await;
        world
            .person("root")
            .merge(REPO, pull.pull, merge_commit())
            .unwrap();
        world.settle().await;
        assert!(world.of_kind("policy").is_empty());
        let check = world.check(&pull);
        assert_eq!(check.conclusion, "failure", "{}", check.summary);
        assert!(
            check.title.starts_with("Merged around the gate"),
            "{}",
            check.title
        );
        world.restart().await;
        world.approve("bob", &payment).await;
        world.sweep().await;
        let check = world.check(&payment);
        assert_eq!(check.conclusion, "failure");
        assert!(check.summary.contains("revert"), "{}", check.summary);
        let (status, answer) = world.propose("campaign-agent", campaign()).await;
        assert_eq!(status, 503, "{answer:#}");
        let (status, answer) = ready(world).await;
        assert_eq!(status, 503);
        let detail = answer["detail"].as_str().unwrap();
        assert!(
            detail.contains("is not the policy in force") && detail.contains("reverted"),
            "{detail}"
        );
        let told = world.status("payments-agent", &payment.id).await;
        assert!(
            told["reason"]
                .as_str()
                .unwrap()
                .contains("is not the policy in force"),
            "{told:#}"
        );
        world.sweep().await;
        assert_eq!(world.acted(), (0, 0));
        let alarms = world.of_kind("incident");
        assert_eq!(alarms.len(), 1, "{alarms:#?}");
        assert_eq!(
            alarms[0]["body"]["stray"]["sha"],
            world.github.pull(REPO, pull.pull).unwrap()["merge_commit_sha"]
        );
        // Later approvals do not heal it.
        world.approve("bob", &pull).await;
        world.sweep().await;
        assert!(world.of_kind("policy").is_empty());
        // A revert needs nobody's approval, and passes the check.
        let revert = propose(world, "dave", "revert", &[(TIERS, &before)]).await;
        assert_eq!(world.check(&revert).conclusion, "success");
        world
            .person("dave")
            .merge(REPO, revert.pull, merge_commit())
            .unwrap();
        world.settle().await;
        world.sweep().await;
        assert_eq!(
            world.state(&payment).await,
            "executed",
            "{}",
            world.check(&payment).summary
        );
        assert_eq!(world.acted(), (1, 0));
        assert_eq!(ready(world).await.0, 200);
        assert_eq!(world.of_kind("incident").len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_rules_pushed_to_the_base_are_told_of_once_and_never_in_force() {
    story(async |world| {
        let before = held(world, TIERS);
        let after = edited(world, TIERS, STRICTER);
        push(world, "root", "main", &[(TIERS, &after)]);
        world.settle().await;
        world.restart().await;
        world.sweep().await;
        world.sweep().await;
        let alarms = world.of_kind("incident");
        assert_eq!(alarms.len(), 1, "{alarms:#?}");
        let what = alarms[0]["body"]["what"].as_str().unwrap();
        assert!(what.contains("no approved pull request"), "{what}");
        assert_eq!(ready(world).await.0, 503);
        push(world, "root", "main", &[(TIERS, &before)]);
        world.settle().await;
        assert_eq!(ready(world).await.0, 200);
        // The same again is told again.
        push(world, "root", "main", &[(TIERS, &after)]);
        world.settle().await;
        world.sweep().await;
        assert_eq!(world.of_kind("incident").len(), 2);
        assert!(world.of_kind("policy").is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_rules_that_do_not_compile_are_shown_line_by_line_and_never_in_force() {
    story(async |world| {
        let payment = world.payment().await;
        let pull = change(world, "rules", TIERS, ("escalate_after: 4h", "escalate_aftr: 4h")).await;
        world.approve("alice", &pull).await;
        world.approve("bob", &pull).await;
        let check = world.check(&pull);
        assert_eq!(check.conclusion, "failure");
        let line = held(world, TIERS)
            .lines()
            .position(|line| line.contains("escalate_after: 4h"))
            .unwrap()
            + 1;
        assert!(
            check.summary.contains(&format!("tiers.yaml:{line}:5")),
            "{}",
            check.summary
        );
        assert!(check.summary.contains("escalate_after"), "{}", check.summary);
        let head = world.github.pull(REPO, pull.pull).unwrap()["head"]["sha"].clone();
        let runs = world.github.check_runs(REPO, head.as_str().unwrap()).unwrap();
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0]["output"]["annotations_count"], json!(1), "{runs:#?}");
        assert!(!merged(world, &pull));
        world
            .person("root")
            .merge(REPO, pull.pull, merge_commit())
            .unwrap();
        world.settle().await;
        world.restart().await;
        world.sweep().await;
        let (status, answer) = ready(world).await;
        assert_eq!(status, 503);
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("tiers.yaml:{line}:5")), "{detail}");
        // The last good rules still say what this is and who could approve it.
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "open");
        assert_eq!(world.acted(), (0, 0));
        assert!(world.of_kind("policy").is_empty());
        assert_eq!(world.of_kind("incident").len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_of_two_changes_the_second_must_begin_at_the_first_and_be_approved_again() {
    story(async |world| {
        let one = change(world, "one", TIERS, STRICTER).await;
        let two = change(world, "two", PEOPLE, ("Dave Tanaka", "David Tanaka")).await;
        world.approve("alice", &two).await;
        world.approve("alice", &one).await;
        world.approve("bob", &one).await;
        assert!(merged(world, &one));
        world.restart().await;
        world.approve("bob", &two).await;
        world.sweep().await;
        let check = world.check(&two);
        assert_eq!(check.conclusion, "failure");
        assert!(check.summary.contains("update the branch"), "{}", check.summary);
        assert!(!merged(world, &two));
        update(world, "dave", &two).await;
        let check = world.check(&two);
        assert_eq!(check.conclusion, "action_required", "{}", check.summary);
        assert!(check.summary.contains("0 of 2"), "{}", check.summary);
        world.approve("alice", &two).await;
        world.restart().await;
        world.approve("bob", &two).await;
        assert!(merged(world, &two));
        let entries = world.of_kind("policy");
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0]["body"]["new"], entries[1]["body"]["old"]);
        assert_eq!(ready(world).await.1["policy"], entries[1]["body"]["new"]);
        assert!(world.of_kind("incident").is_empty());
    })
    .await;
}

/// Presses "Update branch".
async fn update(world: &mut World, login: &str, of: &Opened) {
    let token = world.github.user_token(login).unwrap();
    let url = format!(
        "{}/repos/{REPO}/pulls/{}/update-branch",
        world.github.api_url(),
        of.pull
    );
    let answer = reqwest::Client::new()
        .put(url)
        .bearer_auth(token)
        .header("user-agent", "tests")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 202);
    world.settle().await;
    world.both_later(Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_what_was_approved_under_the_old_rules_and_not_merged_does_not_run_under_the_new() {
    let manual = Setup {
        edits: vec![(
            "tiers.yaml",
            "merge: auto                 # or manual",
            "merge: manual               # or manual",
        )],
        ..Setup::default()
    };
    story_with(manual, async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(world.check(&payment).title, "Approved");
        let pull = change(world, "rules", TIERS, STRICTER).await;
        world.approve("alice", &pull).await;
        world.approve("bob", &pull).await;
        assert_eq!(world.check(&pull).title, "Approved");
        assert!(!merged(world, &pull), "the gate's merge is manual");
        world.restart().await;
        world
            .person("erin")
            .merge(REPO, pull.pull, merge_commit())
            .unwrap();
        world.settle().await;
        let entries = world.of_kind("policy");
        assert_eq!(entries.len(), 1, "{}", world.check(&pull).summary);
        assert_eq!(entries[0]["actor"]["person"], "erin");
        assert_eq!(world.state(&payment).await, "voided");
        let told = world.status("payments-agent", &payment.id).await;
        assert!(
            told["reason"].as_str().unwrap().contains("propose it anew"),
            "{told:#}"
        );
        assert_eq!(world.github.pull(REPO, payment.pull).unwrap()["state"], "closed");
        world.restart().await;
        world.sweep().await;
        assert_eq!(world.acted(), (0, 0));
        let again = world.payment().await;
        assert_eq!(world.check(&again).conclusion, "action_required");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_whoever_releases_a_change_of_the_rules_did_not_approve_it() {
    let manual = Setup {
        edits: vec![(
            "tiers.yaml",
            "merge: auto                 # or manual",
            "merge: manual               # or manual",
        )],
        ..Setup::default()
    };
    story_with(manual, async |world| {
        let pull = change(world, "rules", TIERS, STRICTER).await;
        world.approve("alice", &pull).await;
        world.approve("bob", &pull).await;
        world
            .person("bob")
            .merge(REPO, pull.pull, merge_commit())
            .unwrap();
        world.settle().await;
        world.sweep().await;
        assert!(world.of_kind("policy").is_empty());
        assert_eq!(world.check(&pull).conclusion, "failure");
        assert_eq!(world.of_kind("incident").len(), 1);
        assert_eq!(ready(world).await.0, 503);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i25_a_change_of_the_rules_brings_nothing_that_only_the_bot_writes() {
    story(async |world| {
        let tiers = edited(world, TIERS, STRICTER);
        let files = [(TIERS, tiers.as_str()), ("proposals/payments/x.yaml", "a: 1\n")];
        let pull = propose(world, "dave", "rules", &files).await;
        world.approve("alice", &pull).await;
        world.approve("bob", &pull).await;
        let check = world.check(&pull);
        assert_eq!(check.conclusion, "failure");
        assert!(
            check.summary.contains("proposals/payments/x.yaml"),
            "{}",
            check.summary
        );
        assert!(!merged(world, &pull));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_rules_without_owners_say_which_line_is_missing() {
    let unowned = Setup {
        edits: vec![(
            "CODEOWNERS",
            "/policies/             @acme/finance @acme/treasury",
            "",
        )],
        ..Setup::default()
    };
    story_with(unowned, async |world| {
        let pull = change(world, "rules", TIERS, STRICTER).await;
        world.approve("alice", &pull).await;
        world.approve("bob", &pull).await;
        let check = world.check(&pull);
        assert_eq!(check.conclusion, "failure");
        assert!(
            check.summary.contains("/policies/ @acme/finance @acme/marketing"),
            "{}",
            check.summary
        );
        assert!(!merged(world, &pull));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_of_a_change_of_the_rules_tells_what_would_have_been_different() {
    story(async |world| {
        let (status, _) = world.propose("support-agent", note()).await;
        assert_eq!(status, 201);
        world.settle().await;
        let rule = "  - { impact: [none, low], data_only: [public, internal], rollback: [inverse, restore], tier: low }";
        let stricter = rule.replace("tier: low", "tier: medium");
        let pull = change(world, "rules", TIERS, (rule, &stricter)).await;
        let check = world.check(&pull);
        assert!(check.summary.contains("would have gone another way"), "{}", check.summary);
        assert!(check.summary.contains("low → medium"), "{}", check.summary);
    })
    .await;
}
