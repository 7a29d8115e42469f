//! What `policy lint` says about the mistakes that authors make: each with its place, and the name they meant.

use super::Rules;

const CATALOG: &str = "catalog.yaml";
const TIERS: &str = "tiers.yaml";
const PEOPLE: &str = "people.yaml";
const AGENTS: &str = "agents.yaml";
const OWNERS: &str = "CODEOWNERS";

/// An edit, the text that the finding points to, and the finding without severity and place.
type Mistake = (
    (&'static str, &'static str, &'static str),
    &'static str,
    &'static str,
);

/// Each mistake alone is found, as an error, where it stands, and nothing else is.
fn found(mistakes: &[Mistake]) {
    for ((path, from, to), points, said) in mistakes {
        let rules = Rules::small(&[(path, from, to)]);
        let before = Rules::small(&[]);
        let original = std::fs::read_to_string(before.0.path().join("policies").join(path)).unwrap();
        let text = std::fs::read_to_string(rules.0.path().join("policies").join(path)).unwrap();
        let within = to
            .find(points)
            .unwrap_or_else(|| panic!("`{to}` has no `{points}`"));
        let begins = original.find(from).unwrap() + within;
        let line = text[..begins].matches('\n').count() + 1;
        let column = begins - text[..begins].rfind('\n').map_or(0, |at| at + 1) + 1;
        let (id, message) = said.split_once(": ").unwrap();
        let wanted = format!("error {id} {path}:{line}:{column} {message}");
        let errors: Vec<String> = rules
            .lint()
            .into_iter()
            .filter(|one| one.starts_with("error"))
            .collect();
        assert_eq!(errors, [wanted], "{from} -> {to}");
    }
}

#[test]
fn mistakes_in_the_catalog() {
    found(&[
        (
            (CATALOG, "impact: low ", "impct: low "),
            "impct",
            "syntax: unknown field `impct` -> did you mean `impact`?",
        ),
        (
            (CATALOG, "impact: low ", "impact: medium "),
            "medium",
            "syntax: unknown value `medium` -> the values here are `none`, `low`, `moderate`, `high`",
        ),
        (
            (CATALOG, "data: [internal] ", "data: [intrenal] "),
            "intrenal",
            "syntax: unknown value `intrenal` -> did you mean `internal`?",
        ),
        (
            (CATALOG, "data: [internal] ", "data: [internal, internal] "),
            "internal]",
            "duplicate: `internal` appears twice -> -",
        ),
        (
            (CATALOG, "{ kind: none }", "{ kind: none, within: 3d }"),
            "3d",
            "syntax: `kind: none` can't be taken back, so it has no `within`; remove it, or name another kind -> -",
        ),
        (
            (CATALOG, "{ kind: none }", "{ kind: none, action: crm.note }"),
            "crm.note",
            "syntax: `kind: none` can't be taken back, so it has no `action`; remove it, or name another kind -> -",
        ),
        (
            (
                CATALOG,
                "{ kind: inverse, within: 30d }",
                "{ kind: inverse, action: payments.refund }",
            ),
            "payments.refund",
            "unknown-name: unknown action `payments.refund` -> did you mean `payments.create`?",
        ),
        (
            (CATALOG, "consulted: [finance]", "consulted: [finanse]"),
            "finanse",
            "unknown-name: unknown team or person `finanse` -> did you mean `finance`?",
        ),
        (
            (
                CATALOG,
                "informed: [treasury]      #",
                "informed: [tresury]      #",
            ),
            "tresury",
            "unknown-name: unknown team or person `tresury` -> did you mean `treasury`?",
        ),
        (
            (CATALOG, "accountable: finance", "acountable: finance"),
            "acountable",
            "syntax: unknown field `acountable` -> did you mean `accountable`?",
        ),
        (
            (
                CATALOG,
                "responsible: payments-agent",
                "responsible: payment-agent",
            ),
            "payment-agent",
            "unknown-name: unknown agent `payment-agent` -> did you mean `payments-agent`?",
        ),
        (
            (
                CATALOG,
                "required: [customer_id, text]",
                "required: [customer_id, text, txt]",
            ),
            "txt",
            "params-schema: unknown property `txt` -> did you mean `text`?",
        ),
        (
            (CATALOG, "default: Acme }", "default: Acme, requird: true }"),
            "requird",
            "params-schema: unknown schema keyword `requird` -> did you mean `required`?",
        ),
        (
            (
                CATALOG,
                "checks: [text]              #",
                "checks: [txet]              #",
            ),
            "txet",
            "unknown-name: unknown check `txet` -> did you mean `text`?",
        ),
        (
            (
                CATALOG,
                "checks: [text]              #",
                "checks: [text, text]              #",
            ),
            "text]",
            "duplicate: the check `text` appears twice -> -",
        ),
        (
            (
                CATALOG,
                "checks: [text]              #",
                "checks: [limits]              #",
            ),
            "limits",
            "limits: the check `limits` has nothing to show: the action declares no `limits` -> -",
        ),
        (
            (CATALOG, "sensitive: [params.iban]", "sensitive: [params.ibna]"),
            "params.ibna",
            "unknown-name: unknown parameter `ibna` -> did you mean `iban`?",
        ),
        (
            (CATALOG, "iban: ${params.iban}  ", "iban: ${params.ibann}  "),
            "${params.ibann}",
            "unknown-name: unknown parameter `ibann` -> did you mean `iban`?",
        ),
        (
            (
                CATALOG,
                "/payments/suppliers/{supplier_id}",
                "/payments/suppliers/{supplier}",
            ),
            "/payments",
            "unknown-name: unknown parameter `supplier` -> known: `amount.currency`, `amount.minor`, `amount`, `iban`, `reference`, `supplier_id`",
        ),
    ]);
}

/// Payments with one limit.
macro_rules! limit {
    ($limit:literal, $points:literal, $said:literal) => {
        (
            (
                CATALOG,
                "    sensitive: [params.iban]",
                concat!("    limits: [{ ", $limit, " }]\n    sensitive: [params.iban]"),
            ),
            $points,
            $said,
        )
    };
}

#[test]
fn mistakes_in_limits() {
    found(&[
        limit!(
            "rate: 5, by: [agent]",
            "{ rate",
            "syntax: the field `per` is missing -> add it, as in `per: 1d`"
        ),
        limit!(
            "rate: 5, per: 1 day, by: [agent]",
            "1 day",
            "syntax: `1 day` is not a span: a whole number and `s`, `m`, `h` or `d`, 10 years at most -> -"
        ),
        limit!(
            "rate: 5, per: 40d, by: [agent]",
            "40d",
            "limits: a window is 1s to 31d long -> -"
        ),
        limit!(
            "rate: 5, per: 1d, by: []",
            "[]",
            "limits: name what it is counted by, each once, as in `[agent, params.supplier_id]` -> -"
        ),
        limit!(
            "rate: 5, per: 1d, by: [sponser]",
            "sponser",
            "syntax: a limit can't be counted by `sponser`; name `agent`, `sponsor` or a parameter, as in `params.supplier_id` -> -"
        ),
        limit!(
            "rate: 5, per: 1d, by: [params.suplier_id]",
            "params.suplier_id",
            "unknown-name: unknown parameter `suplier_id` -> did you mean `supplier_id`?"
        ),
        limit!(
            "rate: 5, per: 1d, by: [params.iban]",
            "params.iban",
            "sensitive: `params.iban` is sensitive and can't be counted by; count by an id that is not sealed -> -"
        ),
        limit!(
            "rate: 5, max: 9, per: 1d, by: [agent]",
            "5",
            "limits: write either `rate`, or `budget` with `max` -> -"
        ),
        limit!(
            "rate: 0, per: 1d, by: [agent]",
            "0",
            "limits: must be a whole number from 1 to 2^53 - 1; to forbid an action, leave it out of `agents.yaml` -> -"
        ),
        limit!(
            "budget: params.amount.minor, currency: EUR, per: 1d, by: [agent]",
            "params.amount",
            "limits: a budget needs its `max`, a whole number -> -"
        ),
        limit!(
            "budget: params.supplier_id, max: 9, per: 1d, by: [agent]",
            "params.supplier_id",
            "limits: `params.supplier_id` must be `type: integer` and `required` to be counted -> -"
        ),
        limit!(
            "budget: params.amount.minor, max: 9, per: 1d, by: [agent]",
            "{ budget",
            "limits: `params.amount.currency` tells amounts apart; add the one that is counted, as in `currency: EUR` -> -"
        ),
        limit!(
            "budget: params.amount.minor, max: 9, currency: eur, per: 1d, by: [agent]",
            "eur",
            "limits: a currency is its ISO 4217 code, as in `EUR` -> -"
        ),
        limit!(
            "budget: params.amount.minor, max: 9, currency: EUT, per: 1d, by: [agent]",
            "EUT",
            "limits: `EUT` is no currency of ISO 4217, so every amount would be in another currency -> did you mean `EUR`?"
        ),
        limit!(
            "budget: params.amount.minor, max: 50000.00, currency: EUR, per: 1d, by: [agent]",
            "50000.00",
            "syntax: expected a whole number, found `50000.0` -> write it without a fraction, money in minor units: 5000 is 50.00"
        ),
        limit!(
            "rate: 5, currency: EUR, per: 1d, by: [agent]",
            "EUR",
            "limits: only a `budget` has a currency -> -"
        ),
        limit!(
            "rate: 5, per: 1d, by: [agent], over: hihg",
            "hihg",
            "syntax: unknown value `hihg` -> did you mean `high`?"
        ),
    ]);
}

/// Campaigns with one condition.
macro_rules! when {
    ($when:literal, $points:literal, $said:literal) => {
        (
            (
                CATALOG,
                "    checks: [text]\n    # How",
                concat!(
                    "    escalate: [{ when: \"",
                    $when,
                    "\", to: high, because: why }]\n    checks: [text]\n    # How"
                ),
            ),
            $points,
            $said,
        )
    };
}

#[test]
fn mistakes_in_conditions() {
    found(&[
        when!(
            "afected.count > 1",
            "afected",
            "expression: unknown variable `afected` -> did you mean `affected`?"
        ),
        when!(
            "affected.cuont > 1",
            ".cuont",
            "expression: unknown field `cuont` -> did you mean `count`?"
        ),
        when!(
            "params.sbject == 'x'",
            ".sbject",
            "expression: unknown parameter `sbject` -> did you mean `subject`?"
        ),
        when!(
            "change.befor.x > 1",
            ".befor",
            "expression: unknown field `befor` -> did you mean `before`?"
        ),
        when!(
            "totals.daily > 1",
            ".daily",
            "expression: unknown limit `daily` -> the action declares no `limits`"
        ),
        when!(
            "agent.name == 'x'",
            ".name",
            "expression: `agent` has no fields -> -"
        ),
        when!(
            "now.getHour() > 1",
            "() >",
            "expression: unknown function `getHour` -> did you mean `getHours`?"
        ),
        when!(
            "affected.count > 1.5",
            "1.5",
            "expression: fractions are not supported; use whole numbers, money in minor units -> -"
        ),
        when!(
            "items.all(a, items.all(b, items.all(c, a == b && b == c)))",
            "(c",
            "expression: loops nested deeper than 2; split the expression -> -"
        ),
        (
            (
                CATALOG,
                "    checks: [text]\n    # How",
                "    escalate: [{ when: observed, to: low, because: why }]\n    checks: [text]\n    # How",
            ),
            "low",
            "expression: `escalate` only raises; write `medium` or `high` -> -",
        ),
        (
            (
                CATALOG,
                "    checks: [text]\n    # How",
                "    escalate: [{ when: observed, to: high }]\n    checks: [text]\n    # How",
            ),
            "{ when",
            "syntax: the field `because` is missing -> add it, as in `because: \"10,000 or more\"`",
        ),
        (
            (
                CATALOG,
                "    checks: [text]\n    sensitive",
                "    escalate: [{ when: \"params.iban == 'x'\", to: high, because: why }]\n    checks: [text]\n    sensitive",
            ),
            ".iban",
            "expression: `params.iban` is sensitive; no rule can read it, use another parameter -> -",
        ),
        (
            (
                CATALOG,
                "checks: [text]              #",
                "escalate: [{ when: affected.count > 5, to: high, because: why }] #",
            ),
            "affected",
            "expression: `affected` is read by `observe`, which this action does not have; add it -> -",
        ),
    ]);
}

#[test]
fn mistakes_in_tiers_and_gates() {
    found(&[
        (
            (
                TIERS,
                "- { impact: high, tier: high }",
                "- { impact: high, teir: high }",
            ),
            "teir",
            "syntax: unknown field `teir` -> did you mean `tier`?",
        ),
        (
            (
                TIERS,
                "- { impact: high, tier: high }",
                "- { impact: [], tier: high }",
            ),
            "{ impact",
            "tiers: rule 1 has an empty list and never matches; name values -> -",
        ),
        (
            (TIERS, "  - tier: high\n", "  - { rollback: none, tier: high }\n"),
            "{ rollback",
            "tiers: the last rule must match everything; add `- tier: high` after it -> -",
        ),
        (
            (TIERS, "approvals: 2 ", "approvals: 1 "),
            "1",
            "gates: high needs at least 2, found `1` -> -",
        ),
        (
            (TIERS, "approvals: 1 ", "approvals: 0 "),
            "0",
            "gates: medium needs at least 1, found `0` -> -",
        ),
        (
            (TIERS, "approvals: 0 ", "approvals: 1 "),
            "1",
            "gates: low runs without approval; let a rule classify the action as medium instead -> -",
        ),
        (
            (TIERS, "approvals: 2 ", "approvals: \"2\" "),
            "\"2\"",
            "syntax: expected a whole number, found the text `2` -> -",
        ),
        (
            (
                TIERS,
                "from: owners                # whom",
                "from: anybody                # whom",
            ),
            "anybody",
            "syntax: unknown value `anybody` -> the values here are `owners`",
        ),
        (
            (TIERS, "distinct_teams: true", "distinct_teams: yes"),
            "yes",
            "syntax: expected `true` or `false`, found the text `yes` -> -",
        ),
        (
            (
                TIERS,
                "preview: required           #",
                "preview: wanted           #",
            ),
            "wanted",
            "syntax: unknown value `wanted` -> the values here are `required`, `none`",
        ),
        (
            (TIERS, "remind_after: 2h", "remind_after: 4d"),
            "4d",
            "gates: `remind_after` is not before `expires_after` (3d) -> -",
        ),
        (
            (TIERS, "escalate_after: 4h", "escalate_after: 2d"),
            "2d",
            "gates: `escalate_after` is not before `expires_after` (2d) -> -",
        ),
        (
            (
                TIERS,
                "merge: auto                 # the",
                "merge: automatic                 # the",
            ),
            "automatic",
            "syntax: unknown value `automatic` -> the values here are `auto`, `manual`",
        ),
        (
            (TIERS, "approval_valid_for: 24h ", "approval_valid_for: 0s "),
            "0s",
            "gates: an approval that is never valid can't open the gate; give it time -> -",
        ),
        (
            (TIERS, "sample_review: 5%", "sample_review: 500%"),
            "500%",
            "syntax: `500%` is not a share; write a whole number and `%`, as in `5%` -> -",
        ),
        (
            (TIERS, "sample_review: 5%", "sample_review: 5"),
            "5",
            "syntax: `5` is not a share; write `5%` -> -",
        ),
    ]);
    let twice = Rules::small(&[(
        TIERS,
        "    sample_review: 5%",
        "    sample_review: 5%\n  low: { approvals: 0 } #",
    )]);
    assert!(
        twice.lint()[0].ends_with("the key `low` appears twice; keep one -> -"),
        "{:?}",
        twice.lint()
    );
    let after = Rules::small(&[(
        TIERS,
        "  - tier: high\n",
        "  - tier: high\n  - { impact: low, tier: low }\n",
    )]);
    assert!(
        after.lint()[0].ends_with(
            "rule 9 matches everything, so the rules after it never apply; move it to the end -> -"
        ),
        "{:?}",
        after.lint()
    );
}

#[test]
fn mistakes_in_codeowners() {
    found(&[
        (
            (
                OWNERS,
                "/crm/                  @acme/marketing",
                "/crm/ @acme/marketting",
            ),
            "@acme/marketting",
            "unknown-name: unknown team `marketting` -> did you mean `marketing`?",
        ),
        (
            (OWNERS, "/crm/                  @acme/marketing", "/crm/ @daev"),
            "@daev",
            "unknown-name: unknown login `daev` -> did you mean `dave`?",
        ),
        (
            (
                OWNERS,
                "/crm/                  @acme/marketing",
                "/crm/ acme/marketing",
            ),
            "acme/marketing",
            "owners: `acme/marketing` is not an owner; write `@login` or `@organization/team` -> -",
        ),
        (
            (
                OWNERS,
                "/crm/                  @acme/marketing",
                "/crm/[a-z] @acme/marketing",
            ),
            "/crm/[a-z]",
            "owners: character ranges `[ ]` are not supported; write one line for each -> -",
        ),
        (
            (
                OWNERS,
                "/crm/                  @acme/marketing",
                "!/crm/ @acme/marketing",
            ),
            "!/crm/",
            "owners: `!` excludes from a section, and none has begun; list what is owned instead -> -",
        ),
        (
            (
                OWNERS,
                "/crm/                  @acme/marketing",
                "[Sales][0]\n/crm/ @acme/marketing",
            ),
            "[Sales][0]",
            "owners: `[0]` is not a number of approvals; write one from 1 to 255, as in `[Name][2]` -> -",
        ),
        (
            (
                OWNERS,
                "/crm/                  @acme/marketing",
                "[Sales\n/crm/ @acme/marketing",
            ),
            "[Sales",
            "owners: the section is not closed; write `[Name]` -> -",
        ),
        // The rules themselves.
        (
            (
                OWNERS,
                "/policies/             @acme/finance @acme/treasury",
                "/policies/ @acme/finance",
            ),
            "/policies/",
            "rules-nobody-can-change: a change of `/policies/CODEOWNERS` needs 2 approvals of different teams by the owners of line 11; that leaves `alice` and `carol` -> name more owners there, or add people to their teams",
        ),
    ]);
    let unowned = Rules::small(&[(OWNERS, "/policies/             @acme/finance @acme/treasury", "")]).lint();
    assert!(
        unowned[0].starts_with("error rules-nobody-can-change CODEOWNERS nobody owns `/policies/CODEOWNERS`, so no pull request that changes it ever passes"),
        "{unowned:#?}"
    );
    let sponsor = Rules::small(&[(
        OWNERS,
        "/campaigns/            @acme/marketing",
        "/campaigns/ @erin",
    )])
    .lint();
    assert!(
        sponsor
            .iter()
            .any(|one| one.contains("without the sponsor of `campaign-agent`, `erin`, that leaves nobody")),
        "{sponsor:#?}"
    );
    let counted = Rules::small(&[(
        OWNERS,
        "/campaigns/            @acme/marketing",
        "[Marketing][3] @acme/marketing\n/campaigns/",
    )])
    .lint();
    assert!(
        counted.iter().any(|one| one.contains("needs 3 approvals by the owners of line 8 of CODEOWNERS; without the sponsor of `campaign-agent`, `erin`, that leaves `dave`")),
        "{counted:#?}"
    );
}

#[test]
fn mistakes_in_people_and_agents() {
    found(&[
        (
            (PEOPLE, "teams: [finance]\n  bob", "team: [finance]\n  bob"),
            "team",
            "syntax: unknown field `team` -> did you mean `teams`?",
        ),
        (
            (
                PEOPLE,
                "accounts: [{ login: alice, id: 1001 }]",
                "accounts: [{ login: alice }]",
            ),
            "{ login",
            "syntax: the field `id` is missing -> add it, as in `id: 1001`; `gh api users/LOGIN --jq .id` prints it",
        ),
        (
            (
                PEOPLE,
                "accounts: [{ login: alice, id: 1001 }]",
                "accounts: [{ login: alice, id: \"1001\" }]",
            ),
            "\"1001\"",
            "syntax: expected a whole number, found the text `1001` -> write it as in `id: 1001`",
        ),
        (
            (PEOPLE, "accounts: [{ login: alice, id: 1001 }]", "accounts: []"),
            "[]",
            "syntax: `alice` has no account and could never approve; add one -> -",
        ),
        (
            (PEOPLE, "  alice:\n", "  alice:\n    time_zone: Europe/Berln\n"),
            "Europe/Berln",
            "syntax: `Europe/Berln` is not a time zone; write an IANA name, as in `Europe/Berlin` -> -",
        ),
        (
            (PEOPLE, "  alice:\n", "  alice:\n    stand_ins: [alice]\n"),
            "alice]",
            "syntax: nobody stands in for themselves; name another person -> -",
        ),
        (
            (PEOPLE, "  alice:\n", "  alice:\n    stand_ins: [bobb]\n"),
            "bobb",
            "unknown-name: unknown person `bobb` -> did you mean `bob`?",
        ),
        (
            (PEOPLE, "login: bob,", "login: \"bob[bot]\","),
            "\"bob[bot]\"",
            "syntax: `bob[bot]` is a bot, and a bot never approves; name a person's account -> -",
        ),
        (
            (
                PEOPLE,
                "  alice:\n",
                "  alice:\n    time_zone: Europe/Berlin\n    calendar: office\n",
            ),
            "office",
            "unknown-name: unknown calendar `office` -> the file has no `calendars`; add it beside `people`, as in `calendars: { office: { days: [mon, tue, wed, thu, fri], hours: 09:00-17:00 } }`",
        ),
        (
            (AGENTS, "sponsor: carol", "sponsor: caroll"),
            "caroll",
            "unknown-name: unknown person `caroll` -> did you mean `carol`?",
        ),
        (
            (
                AGENTS,
                "    sponsor: carol\n    account: {",
                "    sponsor: carol\n    acount: {",
            ),
            "acount",
            "syntax: unknown field `acount` -> did you mean `account`?",
        ),
        (
            (AGENTS, "actions: [payments.create]", "actions: [payments.creat]"),
            "payments.creat",
            "unknown-name: unknown action `payments.creat` -> did you mean `payments.create`?",
        ),
        (
            (AGENTS, "actions: [payments.create]", "actions: [\"payments.*\"]"),
            "\"payments.*\"",
            "syntax: `payments.*` is not an action name: two or more lower-case words joined by dots, as in `payments.create`, 80 characters at most -> -",
        ),
        (
            (
                AGENTS,
                "{ login: \"support-agent[bot]\", id: 2001 }",
                "{ login: \"support-agent[bot]\", id: 1001 }",
            ),
            "{ login",
            "duplicate: the account `support-agent[bot]` (1001) already belongs to the person `alice`; give the agent its own -> -",
        ),
    ]);
}

#[test]
fn mistakes_in_calendars() {
    let calendar = |calendar: &str| {
        let people = format!("calendars:\n  office: {{ {calendar} }}\npeople:\n");
        let alice = "  alice:\n    calendar: office\n    time_zone: Europe/Berlin\n";
        Rules::small(&[(PEOPLE, "people:\n", &people), (PEOPLE, "  alice:\n", alice)]).lint()
    };
    for (written, said) in [
        (
            "days: [monday], hours: 09:00-17:00",
            "`monday` is not a day; write mon, tue, wed, thu, fri, sat or sun",
        ),
        (
            "days: [mon], hours: 17:00-09:00",
            "`17:00-09:00` are no hours; write them within one day, as in `09:00-17:00` or `00:00-24:00`",
        ),
        ("days: [mon], hours: 9-17", "`9-17` are no hours"),
        (
            "days: [], hours: 09:00-17:00",
            "a calendar without days has no working hours; name some",
        ),
        (
            "days: [mon], hours: 09:00-17:00, holidays: [2026-13-01]",
            "`2026-13-01` is not a date",
        ),
        (
            "days: [mon], hours: 09:00-17:00, holidas: []",
            "unknown field `holidas` -> did you mean `holidays`?",
        ),
    ] {
        let found = calendar(written);
        assert!(
            found[0].starts_with("error syntax people.yaml:") && found[0].contains(said),
            "{found:#?}"
        );
    }
    assert!(
        !calendar("days: [mon], hours: 09:00-17:00")
            .iter()
            .any(|one| one.starts_with("error"))
    );
}

#[test]
fn mistakes_in_checks() {
    let own = "summary: x\nlevel: deny\nexpression: size(params.text) < 9\nmessage: long\nremedy: cut it\n";
    let checks = |file: &str, text: &str, named: &str| {
        let edit = format!("checks: [{named}]              #");
        Rules::small(&[(CATALOG, "checks: [text]              #", &edit)])
            .with(file, text)
            .lint()
    };
    for (file, text, named, said) in [
        (
            "checks/own.yaml",
            own.replace("level: deny", "level: error"),
            "own",
            "error syntax checks/own.yaml:2:8 unknown value `error` -> the values here are `deny`, `warn`",
        ),
        (
            "checks/own.yaml",
            own.replace("remedy", "remdy"),
            "own",
            "error syntax checks/own.yaml:5:1 unknown field `remdy` -> did you mean `remedy`?",
        ),
        (
            "checks/own.yaml",
            own.replace("params.text", "params.txt"),
            "own",
            "error expression checks/own.yaml:3:24 unknown parameter `txt`, for the action `crm.note`, which names this check -> did you mean `text`?",
        ),
        (
            "checks/pii.yaml",
            "levels: { e-mail: warn }\n".into(),
            "pii",
            "error syntax checks/pii.yaml:1:11 unknown value `e-mail` -> did you mean `email`?",
        ),
        (
            "checks/pii.yaml",
            "exceptions: { approvers: [finanse] }\n".into(),
            "pii",
            "error unknown-name checks/pii.yaml:1:27 unknown team or person `finanse` -> did you mean `finance`?",
        ),
        (
            "checks/brand.yaml",
            "links: [\"*.acme.example\"]\n".into(),
            "brand",
            "error syntax checks/brand.yaml:1:9 `*.acme.example` is not a domain; write it as in `acme.example`, without `*`, scheme or path -> -",
        ),
        (
            "checks/brand.yaml",
            "forbiden: []\n".into(),
            "brand",
            "error syntax checks/brand.yaml:1:1 unknown field `forbiden` -> did you mean `forbidden`?",
        ),
        (
            "checks/consent.yaml",
            "audience: /affected/samples\nconsents: /c\npurpose: /p\nneeded: news\n".into(),
            "consent",
            "error syntax checks/consent.yaml:1:11 `/affected/samples` is no place in what the bot observes; write `/before/...`, `/after/...` or `/affected/sample`; did you mean `/affected/sample`? -> -",
        ),
        (
            "checks/secrets.yaml",
            "level: warn\n".into(),
            "secrets",
            "error unknown-file checks/secrets.yaml:1:1 there is nothing to set for `secrets`; remove the file, or give your own check another name -> -",
        ),
        (
            "checks/own.yml",
            own.into(),
            "text",
            "error unknown-file checks/own.yml no rule reads this file, so it would change nothing -> did you mean `checks/own.yaml`?",
        ),
        (
            "catalogue.yaml",
            "actions: {}\n".into(),
            "text",
            "error unknown-file catalogue.yaml no rule reads this file, so it would change nothing -> did you mean `catalog.yaml`?",
        ),
    ] {
        let found = checks(file, &text, named);
        assert_eq!(
            found
                .iter()
                .filter(|one| one.starts_with("error"))
                .collect::<Vec<_>>(),
            [said]
        );
    }
    let unset = checks("tests/more.yaml", "cases: []\n", "brand");
    assert!(
        unset[0].contains("the check `brand` can't run without its settings; add `checks/brand.yaml`"),
        "{unset:#?}"
    );
}
