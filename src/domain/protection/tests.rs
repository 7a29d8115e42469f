//! What each way of being too weak is told as, and that nothing unseen is taken for fine.

use super::*;
use crate::domain::{
    gate::Verdict,
    ids::Digest,
    observation::{Bypass, RequiredCheck},
};

const APP: u64 = 12;

fn demands() -> Demands {
    Demands {
        app: APP,
        base: "main".parse().unwrap(),
        ledger: "ledger".parse().unwrap(),
    }
}

fn rule(kind: &str, ruleset: u64, around: Vec<Bypass>) -> RuleSight {
    let app = if around.iter().any(|one| one.id == Some(APP)) {
        "always"
    } else {
        "never"
    };
    RuleSight {
        kind: kind.to_owned(),
        ruleset,
        checks: Vec::new(),
        methods: None,
        around: Seen::Known(around),
        app: Seen::Known(app.to_owned()),
    }
}

fn app() -> Bypass {
    Bypass {
        kind: "Integration".to_owned(),
        id: Some(APP),
        mode: "always".to_owned(),
    }
}

fn admins() -> Bypass {
    Bypass {
        kind: "RepositoryRole".to_owned(),
        id: Some(5),
        mode: "always".to_owned(),
    }
}

fn branch(name: &str, rules: Vec<RuleSight>) -> BranchSight {
    BranchSight {
        name: name.parse().unwrap(),
        rules: Seen::Known(rules),
        classic: Seen::Known(None),
    }
}

/// A repository that is as it should be.
fn fine() -> Sight {
    let nobody = Vec::new;
    let check = RuleSight {
        checks: vec![RequiredCheck {
            context: CHECK.to_owned(),
            app: Some(APP),
        }],
        ..rule("required_status_checks", 1, nobody())
    };
    let pull = RuleSight {
        methods: Some(vec!["merge".to_owned()]),
        ..rule("pull_request", 1, nobody())
    };
    let policy = Digest::of(b"policy");
    Sight {
        app: Seen::Known(AppSight {
            permissions: PERMISSIONS
                .iter()
                .map(|(name, access)| ((*name).to_owned(), (*access).to_owned()))
                .collect(),
            events: EVENTS.iter().map(|event| (*event).to_owned()).collect(),
        }),
        base: branch(
            "main",
            vec![
                check,
                pull,
                rule("non_fast_forward", 1, nobody()),
                rule("deletion", 1, nobody()),
            ],
        ),
        ledger: branch(
            "ledger",
            vec![
                rule("non_fast_forward", 2, nobody()),
                rule("deletion", 2, nobody()),
                rule("creation", 3, vec![app()]),
                rule("update", 3, vec![app()]),
            ],
        ),
        proposals: branch(
            "countersign/01",
            ["creation", "update", "deletion"]
                .map(|kind| rule(kind, 4, vec![app()]))
                .to_vec(),
        ),
        repository: Seen::Known(RepositorySight {
            merge: true,
            squash: true,
            rebase: true,
            deletes_branches: false,
        }),
        skew: Seen::Known(-30_000),
        record: Seen::Known(LedgerSight {
            active: policy,
            base: policy,
            genesis: Some(true),
            descends: Some(true),
            findings: 0,
        }),
    }
}

fn rules(sight: &mut BranchSight) -> &mut Vec<RuleSight> {
    match &mut sight.rules {
        Seen::Known(rules) => rules,
        Seen::Unknown { .. } => panic!("unknown"),
    }
}

/// Rule ids and severities after one change.
fn told(change: impl FnOnce(&mut Sight)) -> Vec<(&'static str, Severity)> {
    let mut sight = fine();
    change(&mut sight);
    let found = findings(&sight, &demands());
    found.iter().map(|one| (one.rule, one.severity)).collect()
}

#[test]
fn i31_a_repository_that_is_as_it_should_be_has_no_findings() {
    assert_eq!(findings(&fine(), &demands()), []);
}

#[test]
fn i31_each_weakness_is_found_by_its_name() {
    use Severity::{Shut, Weak};
    let drop_kind =
        |kind: &'static str| move |sight: &mut BranchSight| rules(sight).retain(|one| one.kind != kind);
    assert_eq!(
        told(|s| drop_kind("non_fast_forward")(&mut s.base)),
        [("base_force_push", Shut)]
    );
    assert_eq!(
        told(|s| drop_kind("deletion")(&mut s.base)),
        [("base_deletion", Shut)]
    );
    assert_eq!(
        told(|s| drop_kind("non_fast_forward")(&mut s.ledger)),
        [("ledger_force_push", Shut)]
    );
    assert_eq!(
        told(|s| drop_kind("deletion")(&mut s.ledger)),
        [("ledger_deletion", Shut)]
    );
    assert_eq!(
        told(|s| drop_kind("required_status_checks")(&mut s.base)),
        [("check_required", Shut)]
    );
    assert_eq!(
        told(|s| rules(&mut s.base)[0].checks[0].app = None),
        [("check_bound", Shut)]
    );
    assert_eq!(
        told(|s| rules(&mut s.base)[0].checks[0].app = Some(99)),
        [("check_bound", Shut)]
    );
    assert_eq!(
        told(|s| drop_kind("pull_request")(&mut s.base)),
        [("base_pull_request", Weak), ("merge_methods", Weak)]
    );
    assert_eq!(
        told(|s| drop_kind("update")(&mut s.proposals)),
        [("proposal_writers", Weak)]
    );
    assert_eq!(
        told(|s| drop_kind("creation")(&mut s.ledger)),
        [("ledger_writers", Weak)]
    );
}

#[test]
fn i31_a_bypass_list_that_is_not_empty_is_found_and_shuts_where_history_could_be_rewritten() {
    use Severity::{Shut, Weak};
    let open = |sight: &mut BranchSight, who: fn() -> Bypass| {
        for one in rules(sight) {
            one.around = Seen::Known(vec![who()]);
        }
    };
    // The app itself is somebody too: what it may rewrite, its key's thief may.
    assert_eq!(told(|s| open(&mut s.ledger, app)), [("ledger_around", Shut)]);
    assert_eq!(
        told(|s| open(&mut s.base, admins)),
        [("base_around", Shut), ("check_around", Weak)]
    );
    assert_eq!(
        told(|s| open(&mut s.proposals, admins)),
        [("proposal_writers", Weak)]
    );
    let shown = findings(
        &{
            let mut sight = fine();
            open(&mut sight.base, admins);
            sight
        },
        &demands(),
    );
    insta::assert_snapshot!(shown[0].seen, @"RepositoryRole 5 (always) may force-push or delete `main` all the same");
    insta::assert_snapshot!(shown[0].remedy, @"block force pushes and restrict deletions of `main` in a ruleset with an empty bypass list");
}

#[test]
fn i31_what_could_not_be_seen_is_never_fine() {
    use Severity::{Shut, Unseen};
    let hide = |sight: &mut BranchSight| {
        for one in rules(sight) {
            one.around = Seen::unknown("not shown");
        }
    };
    assert_eq!(
        told(|s| {
            hide(&mut s.base);
            hide(&mut s.ledger);
            hide(&mut s.proposals);
        }),
        [
            ("base_around", Unseen),
            ("ledger_around", Unseen),
            ("check_around", Unseen),
            ("proposal_writers", Unseen),
            ("ledger_writers", Unseen)
        ]
    );
    assert_eq!(
        told(|s| s.app = Seen::unknown("x")),
        [("app_permissions", Unseen)]
    );
    assert_eq!(
        told(|s| s.repository = Seen::unknown("x")),
        [("merge_methods", Unseen)]
    );
    assert_eq!(told(|s| s.skew = Seen::unknown("x")), [("clock", Unseen)]);
    assert_eq!(told(|s| s.record = Seen::unknown("x")), [("ledger", Unseen)]);
    assert_eq!(
        told(|s| s.base.classic = Seen::unknown("403")),
        [("protection", Shut)],
        "what the gate can't read keeps it shut"
    );
}

#[test]
fn i30_i02_i18_clock_policy_and_kept_head_are_looked_at() {
    use Severity::{Shut, Weak};
    assert_eq!(told(|s| s.skew = Seen::Known(30_001)), [("clock", Shut)]);
    let record = |change: fn(&mut LedgerSight)| {
        told(move |s| {
            if let Seen::Known(record) = &mut s.record {
                change(record);
            }
        })
    };
    assert_eq!(
        record(|r| r.base = Digest::of(b"other")),
        [("policy_active", Shut)]
    );
    assert_eq!(record(|r| r.genesis = Some(false)), [("genesis", Shut)]);
    assert_eq!(record(|r| r.descends = Some(false)), [("ledger_descends", Shut)]);
    assert_eq!(record(|r| r.findings = 1), [("ledger_findings", Weak)]);
    assert_eq!(record(|r| (r.genesis, r.descends) = (None, None)), []);
}

#[test]
fn i19_the_app_has_what_it_needs_and_no_more() {
    use Severity::{Shut, Weak};
    let grant = |name: &'static str, access: Option<&'static str>| {
        told(move |s| {
            if let Seen::Known(app) = &mut s.app {
                match access {
                    Some(access) => app.permissions.insert(name.to_owned(), access.to_owned()),
                    None => app.permissions.remove(name),
                };
            }
        })
    };
    assert_eq!(grant("checks", Some("read")), [("app_permissions", Shut)]);
    assert_eq!(grant("administration", None), [("app_permissions", Shut)]);
    assert_eq!(
        grant("administration", Some("write")),
        [("app_permissions", Weak)]
    );
    assert_eq!(grant("actions", Some("read")), []);
    // Whoever grants one of the two wants workflows to be run.
    assert_eq!(
        grant("actions", Some("write")),
        [("app_permissions", Weak), ("app_events", Weak)]
    );
    assert_eq!(grant("actions", Some("admin")).len(), 3);
    let events = told(|s| {
        if let Seen::Known(app) = &mut s.app {
            app.events.retain(|event| event != "push");
        }
        rules(&mut s.base).push(RuleSight {
            methods: Some(vec!["merge".to_owned()]),
            ..rule("merge_queue", 1, Vec::new())
        });
    });
    assert_eq!(events, [("app_events", Weak)]);
}

#[test]
fn what_is_found_is_put_right_by_rulesets_of_ours() {
    let put = |change: fn(&mut Sight)| -> Vec<&'static str> {
        let mut sight = fine();
        change(&mut sight);
        let all = changes(&findings(&sight, &demands()), &demands());
        let name = |change: &Change| match change {
            Change::Put(ruleset) => ruleset.name,
            Change::Merging(_) => "merging",
        };
        all.iter().map(name).collect()
    };
    assert_eq!(put(|_| {}), Vec::<&str>::new());
    assert_eq!(
        put(|s| s.base = branch("main", Vec::new())),
        ["countersign: base", "merging"]
    );
    assert_eq!(
        put(|s| s.ledger = branch("ledger", Vec::new())),
        ["countersign: ledger history", "countersign: ledger writers"]
    );
    assert_eq!(put(|s| s.skew = Seen::Known(99_000)), Vec::<&str>::new());
}

#[test]
fn i31_the_gate_is_shut_by_each_weakness_and_says_which() {
    use crate::domain::fixture::{Story, strong};
    let story = |change: fn(&mut Observation)| {
        let mut story = Story::high();
        change(&mut story.seen);
        let decision = story.decide();
        let one = decision
            .because()
            .iter()
            .find(|one| one.rule == Rule::Protection)
            .cloned()
            .unwrap();
        (one.standing, one.who.join(" "))
    };
    assert_eq!(story(|_| {}), (Standing::Holds, String::new()));
    let weak = |change: fn(&mut Observation), id: &str| {
        assert_eq!(story(change), (Standing::Blocks, id.to_owned()));
    };
    weak(|s| s.app = 1, "check_bound");
    weak(
        |s| {
            s.protection = Seen::Known(Protection {
                required_checks: Vec::new(),
                ..strong()
            });
        },
        "check_required",
    );
    weak(
        |s| {
            s.ledger = Seen::Known(Protection {
                force_push_refused: false,
                deletion_refused: false,
                ..strong()
            });
        },
        "ledger_force_push ledger_deletion",
    );
    weak(
        |s| {
            s.protection = Seen::Known(Protection {
                around: Some(vec![admins()]),
                ..strong()
            });
        },
        "base_around",
    );
    assert_eq!(story(|s| s.ledger = Seen::unknown("403")).0, Standing::Errored);
}

#[test]
fn i30_a_clock_that_is_off_by_more_than_30_s_shuts_every_gate() {
    use crate::domain::fixture::Story;
    let verdict = |skew: Seen<i64>| {
        let mut story = Story::high();
        story.seen.skew = skew;
        story.decide().verdict()
    };
    assert_eq!(verdict(Seen::Known(30_000)), Verdict::Waiting);
    for skew in [
        Seen::Known(30_001),
        Seen::Known(-30_001),
        Seen::unknown("no date"),
    ] {
        assert_eq!(verdict(skew), Verdict::Errored);
    }
}

#[test]
fn i05_others_who_may_write_the_branches_of_proposals_are_found() {
    for kind in ["creation", "update", "deletion"] {
        let found = told(|sight| match &mut sight.proposals.rules {
            Seen::Known(rules) => rules.retain(|rule| rule.kind != kind),
            Seen::Unknown { .. } => panic!("the rules are not seen"),
        });
        assert_eq!(found, [("proposal_writers", Severity::Weak)], "{kind}");
    }
}
