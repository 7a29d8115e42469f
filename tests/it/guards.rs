//! What stands around the gate: protection that becomes weak, clocks that differ, and the operator's look at them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    cli::{Ran, run},
    world::{Opened, REPO, Setup, World, note, secret_file, story, story_with},
};

/// The classic protection that worlds begin with, changed in some fields.
fn protection(world: &World, change: Value) -> Value {
    let mut body = json!({
        "required_status_checks": {
            "strict": false,
            "checks": [{ "context": "countersign", "app_id": world.app.id }],
        },
        "enforce_admins": false,
        "required_pull_request_reviews": null,
        "restrictions": null,
    });
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn protect(world: &World, change: Value) {
    let body = protection(world, change);
    world.github.protect(REPO, "main", &body).unwrap();
}

/// A policy whose high gate leaves the merge to people.
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

async fn approved(world: &mut World) -> Opened {
    let payment = world.payment().await;
    world.approve("alice", &payment).await;
    world.approve("bob", &payment).await;
    payment
}

#[tokio::test(flavor = "multi_thread")]
async fn i27_i31_nothing_merges_while_the_base_branch_is_too_weak_and_the_check_says_why() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        let weak = [
            (json!({ "allow_force_pushes": true }), "the base branch may be force-pushed"),
            (json!({ "allow_deletions": true }), "the base branch may be deleted"),
            (
                json!({ "required_status_checks": null }),
                "the base branch does not require the check",
            ),
            (
                json!({ "required_status_checks": { "checks": [{ "context": "countersign", "app_id": -1 }] } }),
                "any app may make the required check",
            ),
        ];
        for (change, says) in weak {
            protect(world, change);
            world.settle().await;
            let check = world.check(&payment);
            assert_eq!(check.conclusion, "failure");
            assert_eq!(check.title, "Blocked: branch rules");
            assert!(check.summary.contains(says), "{says}\n{}", check.summary);
            assert!(check.summary.contains("countersign doctor"), "{}", check.summary);
            let noted = world.of_kind("protection");
            assert_eq!(noted.last().unwrap()["actor"]["role"], "watch");
        }
        // It was one verdict all the time: too weak.
        assert_eq!(world.of_kind("protection").len(), 1, "{:#?}", world.of_kind("protection"));
        world.approve("bob", &payment).await;
        assert_eq!((world.state(&payment).await.as_str(), world.acted()), ("open", (0, 0)));
        protect(world, json!({}));
        world.settle().await;
        assert_eq!(world.state(&payment).await, "executed");
        assert_eq!(
            world.subjects().iter().filter(|one| one.starts_with("protection")).collect::<Vec<_>>(),
            [
                "protection: too weak, nothing merges or runs: base_force_push",
                "protection: base branch and ledger are strong enough"
            ]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i31_a_ledger_that_may_be_rewritten_stops_everything() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        let ruleset = world.github.rulesets(REPO).unwrap()[0]["id"].as_u64().unwrap();
        let only_deletion = json!({ "rules": [{ "type": "deletion" }] });
        world.github.edit_ruleset(REPO, ruleset, &only_deletion).unwrap();
        world.settle().await;
        world.approve("bob", &payment).await;
        let check = world.check(&payment);
        assert!(
            check.summary.contains("the ledger may be force-pushed"),
            "{}",
            check.summary
        );
        // Low tier has no pull request that shows it: its agent is told.
        let (status, answer) = world.propose("support-agent", note()).await;
        assert_eq!(status, 503, "{answer:#}");
        assert!(
            answer["detail"]
                .as_str()
                .unwrap()
                .contains("the ledger may be force-pushed"),
            "{answer:#}"
        );
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("open", (0, 0))
        );
        let whole = json!({ "rules": [{ "type": "deletion" }, { "type": "non_fast_forward" }] });
        world.github.edit_ruleset(REPO, ruleset, &whole).unwrap();
        world.settle().await;
        assert_eq!(world.state(&payment).await, "executed");
        let (status, _) = world.propose("support-agent", note()).await;
        assert_eq!(status, 201);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i31_with_a_credential_of_its_own_bypass_lists_are_watched_too() {
    let setup = Setup {
        watcher: Some("root"),
        ..Setup::default()
    };
    story_with(setup, async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        let ruleset = world.github.rulesets(REPO).unwrap()[0]["id"].as_u64().unwrap();
        let list = |actors: Value| json!({ "bypass_actors": actors });
        let admins = json!([{ "actor_id": 5, "actor_type": "RepositoryRole", "bypass_mode": "always" }]);
        world.github.edit_ruleset(REPO, ruleset, &list(admins)).unwrap();
        world.settle().await;
        world.approve("bob", &payment).await;
        let check = world.check(&payment);
        let says = "somebody may force-push or delete the ledger all the same";
        assert!(check.summary.contains(says), "{}", check.summary);
        let noted = world.of_kind("protection");
        assert_eq!(noted[0]["body"]["weak"], json!(["ledger_around"]), "{noted:#?}");
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("open", (0, 0))
        );
        world
            .github
            .edit_ruleset(REPO, ruleset, &list(json!([])))
            .unwrap();
        world.settle().await;
        assert_eq!(world.state(&payment).await, "executed");
        // Only that credential ever read a ruleset by itself.
        let path = format!("/repos/{REPO}/rulesets/");
        let readers: Vec<Option<String>> = world
            .github
            .requests()
            .into_iter()
            .filter(|one| one.path.starts_with(&path))
            .map(|one| one.caller)
            .collect();
        assert!(!readers.is_empty());
        assert!(
            readers.iter().all(|who| who.as_deref() == Some("root")),
            "{readers:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i31_a_watch_credential_that_sees_nothing_shuts_the_gate() {
    let setup = Setup {
        watcher: Some("alice"),
        ..Setup::default()
    };
    story_with(setup, async |world| {
        let payment = world.payment().await;
        assert_eq!(world.check(&payment).title, "Can't tell yet: branch rules");
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("open", (0, 0))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i31_what_was_merged_waits_while_the_branch_is_weak_and_is_refused_when_that_takes_too_long() {
    for in_time in [true, false] {
        story_with(manual(), async |world| {
            let payment = approved(world).await;
            assert_eq!(world.check(&payment).conclusion, "success");
            // Nobody tells the bot of the merge before the branch is weak.
            world
                .github
                .webhook_fault(None, countersign::sandbox::DeliveryFault::Lose, 1_000);
            let merge = crate::world::merge_commit();
            world.person("dave").merge(REPO, payment.pull, merge).unwrap();
            protect(world, json!({ "allow_force_pushes": true }));
            world.sweep().await;
            assert_eq!(
                (world.state(&payment).await.as_str(), world.acted()),
                ("merged", (0, 0))
            );
            assert_eq!(world.check(&payment).conclusion, "failure");
            world.both_later(Duration::from_secs(if in_time { 1_800 } else { 3_700 }));
            protect(world, json!({}));
            world.sweep().await;
            world.sweep().await;
            let (state, acted) = if in_time {
                ("executed", 1)
            } else {
                ("refused_after_merge", 0)
            };
            assert_eq!(
                (world.state(&payment).await.as_str(), world.acted()),
                (state, (acted, 0))
            );
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i31_a_merge_while_the_branch_was_weak_is_a_bypass() {
    story_with(manual(), async |world| {
        let payment = world.payment().await;
        protect(world, json!({ "required_status_checks": null }));
        world.settle().await;
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        let merge = crate::world::merge_commit();
        world.person("dave").merge(REPO, payment.pull, merge).unwrap();
        world.settle().await;
        assert_eq!(world.state(&payment).await, "bypassed");
        protect(world, json!({}));
        world.settle().await;
        world.sweep().await;
        assert_eq!(world.state(&payment).await, "bypassed");
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i31_protection_that_may_not_be_read_shuts_the_gate_until_it_may() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        let grants = [
            ("contents", "write"),
            ("pull_requests", "write"),
            ("checks", "write"),
            ("issues", "write"),
            ("members", "read"),
        ];
        world.github.set_app_permissions(world.app.id, &grants).unwrap();
        world.restart().await;
        world.approve("bob", &payment).await;
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("open", (0, 0))
        );
        let check = world.check(&payment);
        assert_eq!(
            (check.conclusion.as_str(), check.title.as_str()),
            ("failure", "Can't tell yet: branch rules")
        );
        let more = [&grants[..], &[("administration", "read")]].concat();
        world.github.set_app_permissions(world.app.id, &more).unwrap();
        world.restart().await;
        world.sweep().await;
        assert_eq!(world.state(&payment).await, "executed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i30_nothing_opens_merges_or_runs_while_the_clocks_differ() {
    for (ahead, says) in [(true, "31 s ahead of GitHub's"), (false, "31 s behind GitHub's")] {
        story(async |world| {
            let payment = world.payment().await;
            world.approve("alice", &payment).await;
            let apart = Duration::from_secs(32);
            if ahead {
                world.later(apart);
            } else {
                world.github.clock().advance(apart.try_into().unwrap());
            }
            world.approve("bob", &payment).await;
            // Reading and status work; nothing else does.
            assert_eq!(
                (world.state(&payment).await.as_str(), world.acted()),
                ("open", (0, 0))
            );
            let check = world.check(&payment);
            assert_eq!(
                (check.conclusion.as_str(), check.title.as_str()),
                ("failure", "Can't tell yet: clock")
            );
            let minute = says.split_once(' ').unwrap().1;
            assert!(check.summary.contains(minute), "{}", check.summary);
            let (status, answer) = world.propose("support-agent", note()).await;
            assert_eq!(status, 503, "{answer:#}");
            assert!(answer["detail"].as_str().unwrap().contains(minute), "{answer:#}");
            let (status, answer) = world.raw("GET", "/readyz", &[], Vec::new()).await;
            assert_eq!(status, 503);
            assert!(answer["detail"].as_str().unwrap().contains(minute), "{answer:#}");
            // Somebody sets the clock that was wrong.
            if ahead {
                world.github.clock().advance(apart.try_into().unwrap());
            } else {
                world.later(apart);
            }
            world.sweep().await;
            assert_eq!(world.state(&payment).await, "executed");
            assert_eq!(world.raw("GET", "/readyz", &[], Vec::new()).await.0, 200);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i30_a_clock_that_runs_ahead_ends_nothing_and_leaves_no_time_behind() {
    const WEEK: Duration = Duration::from_secs(7 * 86_400);
    story_with(manual(), async |world| {
        let merged = approved(world).await;
        world
            .github
            .webhook_fault(None, countersign::sandbox::DeliveryFault::Lose, 1_000);
        let merge = crate::world::merge_commit();
        world.person("dave").merge(REPO, merged.pull, merge).unwrap();
        world.github.release_webhooks();
        let campaign = world.campaign().await;
        world.later(WEEK);
        world.sweep().await;
        world.approve("dave", &campaign).await;
        world.sweep().await;
        // Neither expired, nor too late, nor run.
        assert_eq!(world.state(&campaign).await, "open");
        assert_eq!(
            (world.state(&merged).await.as_str(), world.acted()),
            ("open", (0, 0))
        );
        let newest = world.entries().last().unwrap()["time"]
            .as_str()
            .unwrap()
            .to_owned();
        let newest: jiff::Timestamp = newest.parse().unwrap();
        assert!(
            newest.duration_since(world.github.clock().now()).as_secs() < 60,
            "{newest}"
        );
        world.earlier(WEEK);
        world.sweep().await;
        world.sweep().await;
        assert_eq!(world.state(&merged).await, "executed");
        assert_eq!(world.state(&campaign).await, "executed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i30_half_a_minute_is_no_reason_to_stop() {
    story(async |world| {
        world.later(Duration::from_secs(25));
        let payment = approved(world).await;
        assert_eq!(world.state(&payment).await, "executed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i30_the_later_of_the_two_clocks_counts() {
    for ahead in [true, false] {
        story(async |world| {
            let by = Duration::from_secs(20);
            if ahead {
                world.later(by)
            } else {
                world.earlier(by)
            }
            world.sweep().await;
            let before = world.github.clock().now();
            world.payment().await;
            let entries = world.entries();
            let newest: jiff::Timestamp = entries.last().unwrap()["time"].as_str().unwrap().parse().unwrap();
            // `Date` has whole seconds.
            let least = if ahead { 19 } else { -1 };
            let after = newest.duration_since(before).as_secs();
            assert!(after >= least, "{after} s");
        })
        .await;
    }
}

/// Runs doctor on a world; `token` is whose token watches.
fn doctor(world: &World, token: Option<&str>, more: &[&str]) -> Ran {
    let secrets = world.data.path().join("secrets");
    let (key, api, id) = (
        secrets.join("app.pem"),
        world.github.api_url(),
        world.app.id.to_string(),
    );
    let (data, genesis) = (world.data.path().join("bot"), world.genesis.to_string());
    let url = world.github.url();
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let repo = if more.contains(&"--repo") {
        vec![]
    } else {
        vec!["--repo", REPO]
    };
    let repo = repo.into_iter().map(str::to_owned);
    let mut args: Vec<String> = ["doctor".to_owned()].into_iter().chain(repo).collect();
    args.extend([
        "--api-url".to_owned(),
        api,
        "--git-url".to_owned(),
        url,
        "--app-id".to_owned(),
        id,
        "--app-key-file".to_owned(),
        text(&key),
        "--data-dir".to_owned(),
        text(&data),
        "--genesis".to_owned(),
        genesis,
    ]);
    if let Some(login) = token {
        let file = secrets.join("watch-token");
        secret_file(&file, &world.github.user_token(login).unwrap());
        args.extend(["--watch-token-file".to_owned(), text(&file)]);
    }
    args.extend(more.iter().map(|one| (*one).to_owned()));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    run(&args)
}

fn rules(ran: &Ran) -> Vec<(String, String)> {
    let told: Value =
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err));
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    told["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (text(one, "severity"), text(one, "rule")))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(severity, rule): &(&str, &str)| ((*severity).to_owned(), (*rule).to_owned());
    expected.iter().map(owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn i31_doctor_finds_what_is_wrong_and_what_it_could_not_see_and_fixes_it() {
    story(async |world| {
        let without = doctor(world, None, &["--json"]);
        assert_eq!(without.code, 3, "{}", without.err);
        assert_eq!(
            rules(&without),
            pairs(&[
                ("weak", "base_pull_request"),
                ("weak", "base_administrators"),
                ("weak", "proposal_writers"),
                ("weak", "ledger_writers"),
                ("weak", "merge_methods"),
                ("unseen", "ledger_around"),
            ])
        );
        let with = doctor(world, Some("root"), &["--json"]);
        assert_eq!((with.code, rules(&with).len()), (3, 5), "{}", with.out);
        // A token that may not administer sees no more than the app.
        assert_eq!(rules(&doctor(world, Some("alice"), &["--json"])), rules(&without));
        assert_eq!(
            doctor(world, None, &["--fix", "--yes"]).code,
            1,
            "the app administers nothing"
        );
        assert_eq!(doctor(world, Some("alice"), &["--fix", "--yes"]).code, 1);
        let unasked = doctor(world, Some("root"), &["--fix"]);
        assert_eq!(unasked.code, 1, "{}", unasked.err);
        assert!(unasked.err.contains("countersign: proposals"), "{}", unasked.err);
        assert_eq!(
            rules(&doctor(world, Some("root"), &["--json"])),
            rules(&with),
            "only shown"
        );
        let fixed = doctor(world, Some("root"), &["--fix", "--yes"]);
        assert_eq!(
            (fixed.code, fixed.out.contains("nothing is wrong")),
            (0, true),
            "{}{}",
            fixed.out,
            fixed.err
        );
        let again = doctor(world, Some("root"), &["--json"]);
        assert_eq!((again.code, rules(&again)), (0, pairs(&[])));
        world.settle().await;
        // What was set keeps the bot working, and strangers out.
        let payment = approved(world).await;
        assert_eq!(world.state(&payment).await, "executed");
        let push = |branch: &str| {
            world
                .person("mallory")
                .push_files(REPO, branch, &[("x.txt", "x")], "x", false)
        };
        for branch in ["main", "ledger", &format!("countersign/{}", payment.id)] {
            assert!(push(branch).is_err(), "{branch}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i31_doctor_tells_each_part_that_was_changed_for_the_worse() {
    story(async |world| {
        assert_eq!(doctor(world, Some("root"), &["--fix", "--yes"]).code, 0);
        world.settle().await;
        let sets: Vec<(String, u64)> = world
            .github
            .rulesets(REPO)
            .unwrap()
            .iter()
            .map(|set| {
                (
                    set["name"].as_str().unwrap().to_owned(),
                    set["id"].as_u64().unwrap(),
                )
            })
            .collect();
        let id = |name: &str| sets.iter().find(|(known, _)| known == name).unwrap().1;
        let admins = json!([{ "actor_id": 5, "actor_type": "RepositoryRole", "bypass_mode": "always" }]);
        let nobody = json!([]);
        let app = json!([{ "actor_id": world.app.id, "actor_type": "Integration", "bypass_mode": "always" }]);
        let cases = [
            (
                "countersign: base",
                &admins,
                &nobody,
                vec![("weak", "check_around")],
            ),
            (
                "countersign: proposals",
                &admins,
                &app,
                vec![("weak", "proposal_writers")],
            ),
            (
                "countersign: ledger writers",
                &admins,
                &app,
                vec![("weak", "ledger_writers")],
            ),
        ];
        world.github.unprotect(REPO, "main").unwrap();
        for (name, worse, right, found) in cases {
            let both = [worse, right].map(|list| json!({ "bypass_actors": list }));
            world.github.edit_ruleset(REPO, id(name), &both[0]).unwrap();
            let told = rules(&doctor(world, Some("root"), &["--json"]));
            let found = if name == "countersign: base" {
                [vec![("shut", "base_around")], found].concat()
            } else if name == "countersign: proposals" || name == "countersign: ledger writers" {
                // The app is not on the list any more.
                let (_, rule) = found[0];
                vec![("shut", rule)]
            } else {
                found
            };
            assert_eq!(told, pairs(&found), "{name}");
            world.github.edit_ruleset(REPO, id(name), &both[1]).unwrap();
        }
        world.settle().await;
        let ran = doctor(world, None, &[]);
        assert_eq!(ran.code, 3);
        let told = ran.out.replace(&world.app.id.to_string(), "APP");
        insta::assert_snapshot!(told, @r"
        ? could not see who may force-push or delete `main` all the same: only those who may write the ruleset are shown that
          rule        base_around: the rules against force-pushes and deletion have an empty bypass list
          remedy      give a token that may administer the repository with `--watch-token-file FILE`
        ? could not see who may force-push or delete `ledger` all the same: only those who may write the ruleset are shown that
          rule        ledger_around: the rules against force-pushes and deletion have an empty bypass list
          remedy      give a token that may administer the repository with `--watch-token-file FILE`
        ? could not see who may merge into `main` without the check: only those who may write the ruleset are shown that
          rule        check_around: nobody merges into the base branch without the check
          remedy      give a token that may administer the repository with `--watch-token-file FILE`
        ? could not see who else may write `countersign/**`: only those who may write the ruleset are shown that
          rule        proposal_writers: only the app creates, updates and deletes the branches of proposals
          remedy      give a token that may administer the repository with `--watch-token-file FILE`
        ? could not see who else may write `ledger`: only those who may write the ruleset are shown that
          rule        ledger_writers: only the app writes the ledger
          remedy      give a token that may administer the repository with `--watch-token-file FILE`

        acme/approvals: 5 could not be seen
        ");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i18_doctor_tells_of_a_ledger_that_was_rolled_back() {
    story(async |world| {
        let payment = approved(world).await;
        assert_eq!(world.state(&payment).await, "executed");
        let dir = world.github.git_dir(REPO).unwrap();
        let head = crate::world::git(&dir, &["rev-parse", "ledger"]);
        crate::world::git(&dir, &["update-ref", "refs/heads/ledger", "ledger~2"]);
        let told = rules(&doctor(world, Some("root"), &["--json"]));
        assert!(
            told.contains(&("shut".to_owned(), "ledger_descends".to_owned())),
            "{told:?}"
        );
        crate::world::git(&dir, &["update-ref", "refs/heads/ledger", head.trim()]);
        let told = rules(&doctor(world, Some("root"), &["--json"]));
        assert!(
            !told.iter().any(|(_, rule)| rule == "ledger_descends"),
            "{told:?}"
        );
    })
    .await;
}

#[test]
fn doctor_that_can_t_look_is_a_failure_and_no_finding() {
    let ran = run(&["doctor"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("app.pem");
    secret_file(&key, "no key");
    let key = key.to_str().unwrap();
    let ran = run(&["doctor", "--repo", "a/b", "--app-id", "1", "--app-key-file", key]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_of_an_app_that_is_not_installed_could_not_look() {
    story(async |world| {
        let ran = doctor(world, Some("root"), &["--json", "--repo", "acme/elsewhere"]);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
        assert!(ran.err.contains("installed on the repository"), "{}", ran.err);
    })
    .await;
}
