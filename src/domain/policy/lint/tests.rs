//! Every lint finds what it is there for, and nothing in rules without it.

use super::{Severity, lint};
use crate::domain::source::SourceFile;

/// The small set with cases for all its actions, some texts of it replaced.
fn files(edits: &[(&str, &str, &str)]) -> Vec<SourceFile> {
    let mut files: Vec<SourceFile> = [
        (
            "CODEOWNERS",
            include_str!("../../../../tests/policies/CODEOWNERS"),
        ),
        (
            "agents.yaml",
            include_str!("../../../../tests/policies/agents.yaml"),
        ),
        (
            "catalog.yaml",
            include_str!("../../../../tests/policies/catalog.yaml"),
        ),
        (
            "people.yaml",
            include_str!("../../../../tests/policies/people.yaml"),
        ),
        (
            "tiers.yaml",
            include_str!("../../../../tests/policies/tiers.yaml"),
        ),
        (
            "tests/all.yaml",
            include_str!("../../../../tests/policies/tests/all.yaml"),
        ),
    ]
    .map(|(path, text)| SourceFile::new(path, text))
    .into();
    let people = files.iter_mut().find(|file| file.path == "people.yaml").unwrap();
    people
        .text
        .push_str("  frank:\n    accounts: [{ login: frank, id: 1006 }]\n    teams: [treasury]\n");
    for (path, from, to) in edits {
        let file = files.iter_mut().find(|file| file.path == *path).unwrap();
        assert!(file.text.contains(from), "`{from}` is not in {path}");
        file.text = file.text.replace(from, to);
    }
    files
}

fn found(edits: &[(&str, &str, &str)]) -> String {
    let lines = lint(&files(edits)).into_iter().map(|finding| {
        let place = finding.place().unwrap();
        format!(
            "{} {}:{}:{}: {}\n  {}",
            finding.id(),
            finding.file(),
            place.line,
            place.column,
            finding.message(),
            finding.remedy().unwrap_or("-"),
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn rules_that_do_what_they_seem_to_are_found_fine() {
    insta::assert_snapshot!(found(&[]), @"");
}

#[test]
fn i21_a_step_that_stays_done_when_a_later_one_fails_is_found() {
    let http = "http: { method: POST, url: https://crm.example/x, idempotency_header: Idempotency-Key }";
    let step = |name: &str, undo: &str| format!("        - name: {name}\n          {http}\n{undo}");
    let finds = |undo: &str| {
        let mut files = files(&[]);
        let catalog = files.iter_mut().find(|file| file.path == "catalog.yaml").unwrap();
        let (from, to) = ("    execute:\n", "  # --- medium");
        let (before, rest) = catalog.text.split_once(from).unwrap();
        let (_, after) = rest.split_once(to).unwrap();
        let steps = step("first", undo) + &step("second", "");
        catalog.text = format!("{before}{from}      steps:\n{steps}{to}{after}");
        let all = lint(&files).into_iter();
        let found: Vec<String> = all
            .filter(|finding| finding.id() == "no-undo")
            .map(|finding| finding.message().to_owned())
            .collect();
        found.join("\n")
    };
    assert_eq!(
        finds(""),
        "step `first` of `crm.note` has no `undo`: when a later step fails, it stays half done"
    );
    assert_eq!(finds(&format!("          undo: {{ {http} }}\n")), "");
}

#[test]
fn an_action_that_nobody_can_have_taken_back_in_a_comment_is_found() {
    let named = "rollback: { kind: inverse, action: payments.create, within: 30d }";
    let edit = ("catalog.yaml", "rollback: { kind: inverse, within: 30d }", named);
    insta::assert_snapshot!(found(&[edit]), @r#"
    rollback-by-hand catalog.yaml:101:15: `payments.create` can't be rolled back from a comment: nothing says what `payments.create` is given
      add its parameters, as in `with: { payment: "${run.key}" }`
    "#);
}

#[test]
fn an_error_of_the_files_is_the_only_finding() {
    let files = files(&[
        ("tiers.yaml", "approvals: 2", "aprovals: 2"),
        ("tests/all.yaml", "expect", "exepct"),
    ]);
    let findings = lint(&files);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].severity(), Severity::Error);
    assert_eq!((findings[0].id(), findings[0].file()), ("syntax", "tiers.yaml"));
}

#[test]
fn a_mistake_in_a_case_is_found_where_it_stands() {
    let cases = [
        ("tests/all.yaml", "action: crm.note", "action: crm.not"),
        ("tests/all.yaml", "agent: campaign-agent", "agent: campain-agent"),
        (
            "tests/all.yaml",
            "    expect: { tier: high }",
            "    reviews: [{ by: alise, says: approve }]\n    expect: {}",
        ),
    ];
    insta::assert_snapshot!(found(&cases), @r"
    unknown-name tests/all.yaml:3:24: unknown action `crm.not`
      did you mean `crm.note`?
    unknown-name tests/all.yaml:6:47: unknown agent `campain-agent`
      did you mean `campaign-agent`?
    unknown-name tests/all.yaml:10:21: unknown person `alise`
      did you mean `alice`?
    syntax tests/all.yaml:11:13: nothing is expected, so the case can't fail; state `tier`, `gate`, `checks`, `approvers`, `missing` or `refused`
      -
    ");
    let twice = [(
        "tests/all.yaml",
        "a campaign needs an owner",
        "a note runs at once",
    )];
    insta::assert_snapshot!(found(&twice), @r"
    duplicate tests/all.yaml:5:11: another case is named `a note runs at once`; a name says what only this one shows
      -
    ");
    let both = [(
        "tests/all.yaml",
        "params: { supplier_id: S-1 }",
        "params: {}, items: [{ params: {} }], observed: {}",
    )];
    insta::assert_snapshot!(found(&both), @r"
    syntax tests/all.yaml:9:14: give either `params` (one item) or `items` (several)
      -
    syntax tests/all.yaml:9:111: with `items`, each item has its own `observed`
      -
    ");
    let check = [("tests/all.yaml", "{ tier: high }", "{ checks: { txt: deny } }")];
    insta::assert_snapshot!(found(&check), @r"
    unknown-name tests/all.yaml:10:25: unknown check of `payments.create` `txt`
      did you mean `text`?
    ");
}

#[test]
fn a_tier_rule_that_earlier_rules_cover_is_found() {
    let covered = [
        (
            "tiers.yaml",
            "- { impact: moderate, tier: medium }",
            "- { impact: moderate, tier: medium }\n  - { impact: [high, moderate], data: pii, tier: high }",
        ),
        // All data classes together leave nothing for what follows with the same impact.
        (
            "tiers.yaml",
            "- { impact: none, data_only: public, tier: low }",
            "- { impact: none, data_only: [public, internal, confidential, restricted, pii, financial, credentials], tier: low }\n  - { impact: none, data: public, tier: medium }",
        ),
    ];
    insta::assert_snapshot!(found(&covered), @r"
    unreachable-tier-rule tiers.yaml:14:5: rule 5 never applies: for whatever matches it, a rule before it matches first
      move it up, make a rule before it narrower, or remove it
    unreachable-tier-rule tiers.yaml:18:5: rule 9 never applies: for whatever matches it, a rule before it matches first
      move it up, make a rule before it narrower, or remove it
    ");
}

#[test]
fn an_action_without_a_case_is_found() {
    insta::assert_snapshot!(found(&[("tests/all.yaml", "crm.note, agent: support-agent", "payments.create, agent: payments-agent")]), @r"
    untested-action catalog.yaml:13:3: no case proposes `crm.note`, so nobody sees when a change moves it
      add a case to `tests/*.yaml`; `countersign policy test` runs them
    ");
}

#[test]
fn a_gate_that_nobody_can_open_is_found() {
    // Only the sponsor is left of the owners.
    let sponsor = [(
        "CODEOWNERS",
        "/payments/             @acme/finance @acme/treasury",
        "/payments/ @carol @alice",
    )];
    insta::assert_snapshot!(found(&sponsor), @r"
    gate-nobody-can-open catalog.yaml:98:15: `payments.create` is high and needs 2 approvals of different teams by the owners of line 8 of CODEOWNERS; without the sponsor of `payments-agent`, `carol`, that leaves `alice`
      name more owners there, add people to their teams, or give the agent another sponsor
    ");
    // Two people, but of one team.
    let one_team = [(
        "CODEOWNERS",
        "/payments/             @acme/finance @acme/treasury",
        "/payments/ @acme/treasury",
    )];
    insta::assert_snapshot!(found(&one_team), @r"
    gate-nobody-can-open catalog.yaml:98:15: `payments.create` is high and needs 2 approvals of different teams by the owners of line 8 of CODEOWNERS; without the sponsor of `payments-agent`, `carol`, that leaves `bob` and `frank`
      name more owners there, add people to their teams, or give the agent another sponsor
    ");
    // The same two are enough where teams need not differ.
    let any_team = [
        one_team[0],
        ("tiers.yaml", "distinct_teams: true", "distinct_teams: false"),
    ];
    insta::assert_snapshot!(found(&any_team), @"");
    let unowned = [(
        "CODEOWNERS",
        "/campaigns/            @acme/marketing",
        "/campaign/ @acme/marketing",
    )];
    insta::assert_snapshot!(found(&unowned), @r"
    unused-owners-line CODEOWNERS:7:1: no action has a resource that this line matches, so it decides about nothing
      compare it with the `resource` of the actions, or remove it
    gate-nobody-can-open catalog.yaml:51:15: `campaigns.send` is medium and nobody owns `/campaigns/segments/{segment_id}`, so nobody can approve it
      add a line for it to CODEOWNERS, as in `/campaigns/segments/ @organization/team`
    ");
    let cleared = [(
        "CODEOWNERS",
        "/campaigns/            @acme/marketing",
        "/campaigns/ @acme/marketing\n/campaigns/segments/",
    )];
    insta::assert_snapshot!(found(&cleared), @r"
    unused-owners-line CODEOWNERS:7:1: line 8 decides wherever this line would: in a section the last line that matches counts
      move it below line 8, or remove it
    gate-nobody-can-open catalog.yaml:51:15: `campaigns.send` is medium and nobody owns `/campaigns/segments/{segment_id}`, so nobody can approve it
      add a line for it to CODEOWNERS, as in `/campaigns/segments/ @organization/team`
    ");
}

#[test]
fn an_action_that_waits_for_a_preview_it_can_t_have_is_found() {
    let edit = [(
        "tiers.yaml",
        "data_only: [public, internal], rollback: [inverse, restore], tier: low",
        "data_only: [public, internal], rollback: [inverse, restore], tier: medium",
    )];
    insta::assert_snapshot!(found(&edit), @r"
    preview-without-observe catalog.yaml:13:3: the medium gate wants `crm.note` seen before it is approved, and the action has no `observe`
      say under `observe` how the bot reads what is affected, or write `preview: none` in the gate
    ");
}

#[test]
fn i19_a_secret_that_several_hosts_are_sent_is_found() {
    let shown = |url: &str, auth: &str| format!("{url}\n        auth: {auth}\n");
    let edit = |auth: [&str; 3]| {
        let [observe, campaign, payment] = auth;
        found(&[
            (
                "catalog.yaml",
                "        url: https://crm.example/segments/{segment_id}\n",
                &shown("        url: https://crm.example/segments/{segment_id}", observe),
            ),
            (
                "catalog.yaml",
                "        url: https://crm.example/campaigns\n",
                &shown("        url: https://crm.example/campaigns", campaign),
            ),
            (
                "catalog.yaml",
                "        url: https://bank.example/payments\n",
                &shown("        url: https://bank.example/payments", payment),
            ),
        ])
    };
    let own = "{ bearer: { env: COUNTERSIGN_SECRET_CRM } }";
    assert_eq!(edit([own, own, "{ credential: {} }"]), "");
    insta::assert_snapshot!(edit([own, "{ credential: { audience: all } }", "{ credential: { audience: all } }"]), @r"
    secret-for-many-hosts catalog.yaml:139:15: a credential for `all` is sent to `crm.example` and `bank.example`; each can use it at the other
      give each host a secret of its own, and leave `audience` out
    ");
    insta::assert_snapshot!(edit([own, own, own]), @r"
    secret-for-many-hosts catalog.yaml:139:15: the secret `COUNTERSIGN_SECRET_CRM` is sent to `crm.example` and `bank.example`; each can use it at the other
      give each host a secret of its own, and leave `audience` out
    ");
}

#[test]
fn i19_a_dry_run_that_is_shown_with_what_acts_is_found() {
    let edit = |secret: &str| {
        let act = "        url: https://bank.example/payments\n";
        let dry_run = format!(
            "    sensitive: [params.iban]\n    dry_run:\n      http:\n        url: https://bank.example/payments?dry_run=true\n        \
             auth: {{ bearer: {{ env: {secret} }} }}\n"
        );
        found(&[
            (
                "catalog.yaml",
                act,
                &format!("{act}        auth: {{ bearer: {{ env: COUNTERSIGN_SECRET_BANK }} }}\n"),
            ),
            (
                "catalog.yaml",
                "    sensitive: [params.iban]    # sealed in Git, masked wherever people read\n",
                &dry_run,
            ),
        ])
    };
    assert_eq!(edit("COUNTERSIGN_SECRET_BANK_TRY"), "");
    insta::assert_snapshot!(edit("COUNTERSIGN_SECRET_BANK"), @r"
    dry-run-with-acting-secret catalog.yaml:125:15: the dry run of `payments.create` is shown with `COUNTERSIGN_SECRET_BANK`, which also acts: a gate that is broken into could act with it
      name a secret that can do no more than a dry run
    ");
}

#[test]
fn agents_that_do_not_fit_their_actions_are_found() {
    let edits = [
        ("agents.yaml", "actions: [crm.note]", "actions: []"),
        ("agents.yaml", "actions: [payments.create]", "actions: [crm.note]"),
    ];
    insta::assert_snapshot!(found(&edits), @r"
    agent-without-actions agents.yaml:8:3: `support-agent` may propose nothing
      list its actions, or remove the agent and its key
    responsible-may-not-propose catalog.yaml:24:20: `support-agent` is responsible for `crm.note` and may not propose it
      list `crm.note` under `support-agent` in agents.yaml, or name the agent that does it
    action-without-agent catalog.yaml:95:3: no agent may propose `payments.create`, so it never runs
      list it under an agent in agents.yaml, or remove the action
    responsible-may-not-propose catalog.yaml:103:20: `payments-agent` is responsible for `payments.create` and may not propose it
      list `payments.create` under `payments-agent` in agents.yaml, or name the agent that does it
    ");
}

#[test]
fn people_without_a_part_and_teams_of_one_are_found() {
    let edits = [("people.yaml", "teams: [treasury]\n  carol", "teams: []\n  carol")];
    insta::assert_snapshot!(found(&edits), @r"
    person-without-part people.yaml:10:3: `bob` is in no team, owns nothing and sponsors no agent
      add a team, name the person in CODEOWNERS, or remove the entry
    team-of-one people.yaml:30:13: `frank` is the only one of `treasury`, which owns something; while they are away nobody else can approve for it
      add a second person to `treasury`, or name another owner beside it in CODEOWNERS
    ");
    // Who is named as an owner, in a RACI list or as a sponsor has a part without a team.
    for (path, from, to) in [
        ("CODEOWNERS", "@acme/treasury", "@acme/treasury @bob"),
        ("catalog.yaml", "consulted: [finance]", "consulted: [bob]"),
        ("agents.yaml", "sponsor: carol", "sponsor: bob"),
    ] {
        let found = found(&[edits[0], (path, from, to)]);
        assert!(!found.contains("person-without-part"), "{found}");
    }
}

#[test]
fn a_line_of_codeowners_that_decides_about_nothing_is_found() {
    let lines = "\
/crm/                  @acme/marketing
/campaigns/            @acme/marketing
/payments/             @acme/finance @acme/treasury
";
    let more = format!(
        "{lines}/payment/ @acme/finance\n/crm/customers/vip* @acme/marketing\n/crm/customers/vip @acme/finance\n\
         **/segments/eu @acme/marketing\n/crm/customers/** @acme/marketing\n*.md @acme/finance\n/crm/*/*/notes @dave\n\
         [Legal]\n/payments/suppliers/ @acme/finance\n!/payments/suppliers/S-1\n!/payments/S-1\n"
    );
    insta::assert_snapshot!(found(&[("CODEOWNERS", lines, &more)]), @r"
    unused-owners-line CODEOWNERS:6:1: line 13 decides wherever this line would: in a section the last line that matches counts
      move it below line 13, or remove it
    unused-owners-line CODEOWNERS:9:1: no action has a resource that this line matches, so it decides about nothing
      compare it with the `resource` of the actions, or remove it
    unused-owners-line CODEOWNERS:10:1: line 13 decides wherever this line would: in a section the last line that matches counts
      move it below line 13, or remove it
    unused-owners-line CODEOWNERS:11:1: line 13 decides wherever this line would: in a section the last line that matches counts
      move it below line 13, or remove it
    unused-owners-line CODEOWNERS:15:1: no action has a resource that this line matches, so it decides about nothing
      compare it with the `resource` of the actions, or remove it
    unused-owners-line CODEOWNERS:19:1: no action has a resource that this line matches, so it decides about nothing
      compare it with the `resource` of the actions, or remove it
    gate-nobody-can-open catalog.yaml:98:15: `payments.create` is high and needs 2 approvals of different teams by the owners of line 17 of CODEOWNERS, beside those of other sections; without the sponsor of `payments-agent`, `carol`, that leaves `alice`
      name more owners there, add people to their teams, or give the agent another sponsor
    ");
}

#[test]
fn what_a_section_counts_is_what_its_owners_must_give() {
    let counted = [(
        "CODEOWNERS",
        "/payments/             @acme/finance @acme/treasury",
        "[Payments][4]\n/payments/ @acme/finance @acme/treasury\n[Rules]",
    )];
    insta::assert_snapshot!(found(&counted), @r"
    gate-nobody-can-open catalog.yaml:98:15: `payments.create` is high and needs 4 approvals of different teams by the owners of line 9 of CODEOWNERS; without the sponsor of `payments-agent`, `carol`, that leaves `alice`, `bob` and `frank`
      name more owners there, add people to their teams, or give the agent another sponsor
    ");
    let optional = [(
        "CODEOWNERS",
        "/payments/             @acme/finance @acme/treasury",
        "^[Payments]\n/payments/ @acme/finance @acme/treasury\n[Rules]",
    )];
    insta::assert_snapshot!(found(&optional), @r"
    gate-nobody-can-open catalog.yaml:98:15: `payments.create` is high and nobody owns `/payments/suppliers/{supplier_id}`, so nobody can approve it
      add a line for it to CODEOWNERS, as in `/payments/suppliers/ @organization/team`
    ");
    // A part of the resource that another line singles out.
    let part = [(
        "CODEOWNERS",
        "/payments/             @acme/finance @acme/treasury",
        "/payments/ @acme/finance @acme/treasury\n/payments/suppliers/gold* @acme/treasury",
    )];
    insta::assert_snapshot!(found(&part), @r"
    gate-nobody-can-open catalog.yaml:98:15: `payments.create` on `/payments/suppliers/goldx` is high and needs 2 approvals of different teams by the owners of line 9 of CODEOWNERS; without the sponsor of `payments-agent`, `carol`, that leaves `bob` and `frank`
      name more owners there, add people to their teams, or give the agent another sponsor
    ");
    // Two sections, and one person can't stand for both.
    let both = [(
        "CODEOWNERS",
        "/payments/             @acme/finance @acme/treasury",
        "/payments/ @bob @alice\n[Second][1]\n/payments/ @bob\n[Rules]",
    )];
    insta::assert_snapshot!(found(&both), @r"
    gate-nobody-can-open catalog.yaml:98:15: `payments.create` is high and needs 1 approval by the owners of line 10 of CODEOWNERS, beside those of other sections; without the sponsor of `payments-agent`, `carol`, that leaves `bob`
      name more owners there, add people to their teams, or give the agent another sponsor
    ");
}

#[test]
fn a_calendar_that_nobody_works_by_is_found() {
    let office = "calendars:\n  office: { days: [mon], hours: 09:00-17:00 }\n  shop: { days: [sat], hours: 09:00-17:00 }\n\npeople:\n";
    let bob = "teams: [treasury]\n    calendar: shop\n    time_zone: Europe/Berlin\n  carol";
    insta::assert_snapshot!(found(&[
        ("people.yaml", "people:\n", office),
        ("people.yaml", "teams: [treasury]\n  carol", bob),
    ]), @r"
    unused-calendar people.yaml:6:3: nobody works by the calendar `office`
      add `calendar: office` and a `time_zone` to the people who do, or remove it
    ");
}

#[test]
fn a_stand_in_who_can_never_approve_is_found() {
    // Erin sponsors both agents that propose what marketing owns.
    let dave = (
        "people.yaml",
        "teams: [marketing]\n  erin",
        "teams: [marketing]\n    stand_ins: [alice, erin]\n  erin",
    );
    insta::assert_snapshot!(found(&[dave]), @r"
    stand-in-without-part people.yaml:24:24: `erin` sponsors `campaign-agent` and `support-agent`, and nobody else proposes what `dave` owns: a sponsor never approves
      name somebody else among the `stand_ins` of `dave`
    ");
    // Whoever owns the rules may be stood in for by her there.
    let rules = (
        "CODEOWNERS",
        "/policies/             @acme/finance",
        "/policies/             @acme/marketing @acme/finance",
    );
    insta::assert_snapshot!(found(&[dave, rules]), @"");
    let nobody = (
        "people.yaml",
        "teams: [marketing]\n  erin",
        "teams: [marketing]\n  gina:\n    accounts: [{ login: gina, id: 1999 }]\n    teams: [legal]\n    stand_ins: [dave]\n  erin",
    );
    insta::assert_snapshot!(found(&[nobody]), @r"
    stand-in-without-part people.yaml:27:16: `gina` owns nothing, so nobody ever stands in for them
      name `gina` or a team of theirs in CODEOWNERS, or remove `stand_ins`
    ");
}
