//! Around the gate: merges that it did not open never run, are recorded, shown and told to whoever hears alarms; names that
//! shadow others redirect nothing; a merge queue's groups are looked at whole.

use countersign::domain::ids::Digest;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    alarms::{Ears, alarmed},
    world::{Opened, REPO, Setup, World, fresh, git, merge_commit, story, story_with},
};

/// It is recorded, shown and told, and nothing ran.
async fn bypassed(world: &mut World, ears: &Ears, of: &Opened, by: &str) {
    assert_eq!(world.state(of).await, "bypassed");
    assert_eq!(world.check(of).conclusion, "failure");
    assert_eq!(world.acted(), (0, 0));
    let recorded = world.about(of);
    let entry = recorded.iter().find(|entry| entry["kind"] == "bypassed").unwrap();
    let account = world.github.user_id(by).unwrap();
    assert_eq!(entry["body"]["by"], json!(account));
    let heard = ears.heard();
    let alarm = heard
        .iter()
        .find(|alarm| alarm["subject"] == json!(of.id))
        .unwrap_or_else(|| panic!("nobody heard of it: {heard:#?}"));
    assert_eq!(alarm["type"], "countersign.bypassed");
    assert_eq!(alarm["data"]["account"], json!(account));
    assert_eq!(alarm["data"]["pull_request"], json!(of.pull));
    let what = alarm["data"]["what"].as_str().unwrap();
    assert!(what.starts_with("bypassed: "), "{what}");
    assert!(alarm["id"].as_str().unwrap().parse::<Digest>().is_ok(), "{alarm}");
    // Whatever is looked at later, it is told once and never run.
    world.sweep().await;
    world.restart().await;
    world.sweep().await;
    let again = ears
        .heard()
        .iter()
        .filter(|alarm| alarm["subject"] == json!(of.id))
        .count();
    assert_eq!((again, world.acted()), (1, (0, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_an_administrator_s_merge_never_executes_and_gives_alarm() {
    alarmed(async |world, ears| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world
            .person("root")
            .merge(REPO, payment.pull, merge_commit())
            .unwrap();
        world.settle().await;
        bypassed(world, ears, &payment, "root").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_a_bypass_actor_s_merge_never_executes_and_gives_alarm() {
    alarmed(async |world, ears| {
        let payment = world.payment().await;
        let dave = world.github.user_id("dave").unwrap();
        let ruleset = json!({
            "name": "the check, but not for dave", "target": "branch", "enforcement": "active",
            "bypass_actors": [{ "actor_id": dave, "actor_type": "User", "bypass_mode": "pull_request" }],
            "conditions": { "ref_name": { "include": ["refs/heads/main"], "exclude": [] } },
            "rules": [
                { "type": "non_fast_forward" },
                { "type": "deletion" },
                { "type": "required_status_checks", "parameters": {
                    "strict_required_status_checks_policy": false,
                    "required_status_checks": [{ "context": "countersign", "integration_id": world.app.id }] } },
            ],
        });
        world.github.add_ruleset(REPO, &ruleset).unwrap();
        world.github.unprotect(REPO, "main").unwrap();
        world.settle().await;
        assert!(world.person("alice").merge(REPO, payment.pull, merge_commit()).is_err());
        world.person("dave").merge(REPO, payment.pull, merge_commit()).unwrap();
        world.settle().await;
        bypassed(world, ears, &payment, "dave").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_the_head_pushed_to_the_base_never_executes_and_gives_alarm() {
    alarmed(async |world, ears| {
        let payment = world.payment().await;
        let dir = world.github.git_dir(REPO).unwrap();
        let token = world.github.user_token("root").unwrap();
        let url = world
            .github
            .url()
            .replace("http://", &format!("http://root:{token}@"));
        let head = format!("countersign/{}:refs/heads/main", payment.id);
        git(&dir, &["push", "--quiet", &format!("{url}/{REPO}.git"), &head]);
        world.settle().await;
        bypassed(world, ears, &payment, "root").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_and_a_weak_branch_give_alarm_and_what_is_in_order_does_not() {
    alarmed(async |world, ears| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "executed");
        assert_eq!(ears.heard(), [] as [Value; 0]);
        let campaign = world.campaign().await;
        world
            .person("mallory")
            .push_files(
                REPO,
                &format!("countersign/{}", campaign.id),
                &[("x.txt", "x")],
                "x",
                false,
            )
            .unwrap();
        world.settle().await;
        world.github.unprotect(REPO, "main").unwrap();
        world.settle().await;
        let types: Vec<String> = ears
            .heard()
            .iter()
            .map(|alarm| alarm["type"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(types, ["countersign.incident", "countersign.protection"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_a_tag_or_a_branch_that_shadows_a_name_redirects_nothing() {
    story(async |world| {
        let dir = world.github.git_dir(REPO).unwrap();
        let token = world.github.user_token("mallory").unwrap();
        let url = world
            .github
            .url()
            .replace("http://", &format!("http://mallory:{token}@"));
        let remote = format!("{url}/{REPO}.git");
        // Rules by which mallory owns everything, and a ledger that begins and ends with nothing.
        world
            .person("mallory")
            .push_files(
                REPO,
                "evil",
                &[("policies/CODEOWNERS", "* @mallory\n")],
                "mine",
                false,
            )
            .unwrap();
        for name in [
            "refs/tags/main",
            "refs/tags/heads/main",
            "refs/tags/refs/heads/main",
            "refs/heads/heads/main",
            "refs/heads/refs/heads/main",
            "refs/heads/origin/main",
            "refs/tags/origin/main",
            "refs/tags/refs/heads/ledger",
            "refs/heads/refs/heads/ledger",
        ] {
            git(
                &dir,
                &["push", "--quiet", &remote, &format!("refs/heads/evil:{name}")],
            );
        }
        world.settle().await;
        world.sweep().await;
        world.restart().await;
        assert_eq!(world.raw("GET", "/readyz", &[], Vec::new()).await.0, 200);
        let payment = world.payment().await;
        git(
            &dir,
            &[
                "push",
                "--quiet",
                &remote,
                &format!("refs/heads/evil:refs/tags/countersign/{}", payment.id),
            ],
        );
        world.settle().await;
        world.approve("mallory", &payment).await;
        assert_eq!(world.state(&payment).await, "open");
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "executed");
        let policies: Vec<Value> = world
            .about(&payment)
            .iter()
            .map(|entry| entry["digests"]["policy"].clone())
            .collect();
        let genesis = world.of_kind("genesis")[0]["digests"]["policy"].clone();
        assert!(
            policies.iter().all(|one| one.is_null() || *one == genesis),
            "{policies:?}"
        );
        assert_eq!(world.of_kind("incident"), [] as [Value; 0]);
    })
    .await;
}

/// Says what a merge queue says when it has made a group.
async fn queued(world: &mut World, base: &str, head: &str) {
    let payload = json!({
        "action": "checks_requested",
        "merge_group": {
            "head_sha": head, "head_ref": format!("refs/heads/gh-readonly-queue/main/pr-1-{base}"),
            "base_sha": base, "base_ref": "refs/heads/main",
        },
        "repository": { "full_name": REPO },
        "sender": { "id": 1, "login": "github-merge-queue[bot]", "type": "Bot" },
    })
    .to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(world.app.webhook_secret.as_bytes()).unwrap();
    mac.update(payload.as_bytes());
    let headers = [
        ("x-github-event", "merge_group".to_owned()),
        ("x-github-delivery", fresh().replace('_', "-")),
        ("content-type", "application/json".to_owned()),
        (
            "x-hub-signature-256",
            format!("sha256={}", hex::encode(mac.finalize().into_bytes())),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let (status, answer) = world
        .raw("POST", "/webhooks/github", &headers, payload.into_bytes())
        .await;
    assert_eq!(status, 202, "{answer}");
    world.settle().await;
}

/// A merge commit of the queue's: parents and files of one more commit.
fn merge_into(dir: &std::path::Path, before: &str, head: &str, more: Option<&str>) -> String {
    let tree = git(dir, &["merge-tree", "--write-tree", before, head])
        .trim()
        .to_owned();
    let tree = match more {
        None => tree,
        Some(path) => {
            let blob = git(dir, &["rev-parse", &format!("{before}:policies/CODEOWNERS")]);
            let listed = git(dir, &["ls-tree", &tree]);
            let with = format!("{listed}100644 blob {}\t{path}\n", blob.trim());
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), with).unwrap();
            let made = std::process::Command::new("git")
                .current_dir(dir)
                .arg("mktree")
                .stdin(std::fs::File::open(file.path()).unwrap())
                .output()
                .unwrap();
            String::from_utf8(made.stdout).unwrap().trim().to_owned()
        }
    };
    let identity = ["-c", "user.name=queue", "-c", "user.email=queue@example.com"];
    let args = ["commit-tree", &tree, "-p", before, "-p", head, "-m", "group"];
    git(dir, &[&identity[..], &args[..]].concat()).trim().to_owned()
}

fn check_on(world: &World, head: &str) -> (String, String) {
    let runs = world.github.check_runs(REPO, head).unwrap();
    let ours: Vec<&Value> = runs
        .iter()
        .filter(|run| run["app"]["id"] == json!(world.app.id))
        .collect();
    assert_eq!(ours.len(), 1, "{runs:#?}");
    let text = |pointer: &str| ours[0].pointer(pointer).unwrap().as_str().unwrap().to_owned();
    (text("/conclusion"), text("/output/summary"))
}

#[tokio::test(flavor = "multi_thread")]
async fn i27_a_merge_group_passes_when_every_member_is_approved_and_nothing_rides_along() {
    let setup = Setup {
        edits: vec![(
            "tiers.yaml",
            "merge: auto                 # or manual",
            "merge: manual               # or manual",
        )],
        ..Setup::default()
    };
    story_with(setup, async |world| {
        let dir = world.github.git_dir(REPO).unwrap();
        let payment = world.payment().await;
        let head = world
            .github
            .branch_head(REPO, &format!("countersign/{}", payment.id))
            .unwrap();
        let base = world.github.branch_head(REPO, "main").unwrap();
        let group = merge_into(&dir, &base, &head, None);
        queued(world, &base, &group).await;
        let (conclusion, summary) = check_on(world, &group);
        assert_eq!(conclusion, "failure");
        assert!(summary.contains("is not approved"), "{summary}");
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        queued(world, &base, &group).await;
        assert_eq!(check_on(world, &group).0, "success");
        // The queue made it anew on top of something that nobody approved.
        let other = merge_into(&dir, &base, &head, Some("other.txt"));
        let on_top = merge_into(&dir, &other, &head, None);
        queued(world, &base, &on_top).await;
        assert_eq!(check_on(world, &on_top).0, "failure");
        world
            .person("mallory")
            .push_files(REPO, "side", &[("side.txt", "x")], "side", false)
            .unwrap();
        let side = world.github.branch_head(REPO, "side").unwrap();
        let mixed = merge_into(&dir, &group, &side, None);
        queued(world, &base, &mixed).await;
        let (conclusion, summary) = check_on(world, &mixed);
        assert_eq!(conclusion, "failure");
        assert!(
            summary.contains("is no merge commit of an open proposal"),
            "{summary}"
        );
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_a_merge_queue_with_another_content_never_executes() {
    alarmed(async |world, ears| {
        let dir = world.github.git_dir(REPO).unwrap();
        let payment = world.payment().await;
        world
            .github
            .webhook_fault(None, countersign::sandbox::DeliveryFault::Hold, 1_000);
        let head = world
            .github
            .branch_head(REPO, &format!("countersign/{}", payment.id))
            .unwrap();
        let base = world.github.branch_head(REPO, "main").unwrap();
        let group = merge_into(&dir, &base, &head, Some("other.txt"));
        let token = world.github.user_token("root").unwrap();
        let url = world
            .github
            .url()
            .replace("http://", &format!("http://root:{token}@"));
        git(
            &dir,
            &[
                "push",
                "--quiet",
                &format!("{url}/{REPO}.git"),
                &format!("{group}:refs/heads/main"),
            ],
        );
        world.github.release_webhooks();
        world.settle().await;
        bypassed(world, ears, &payment, "root").await;
    })
    .await;
}
