//! What approvers read, whole: the four reports, and everything small around them.

use countersign::{
    domain::{
        canonical::canonical,
        case::{Case, Life},
        checks::{CheckResult, Level, Problem},
        entry::{ClaimedBy, Finished, Merged, Outcome, Started, StepResult, VoidReason},
        ids::{AccountId, Digest, ProposalId, PullNumber, ReviewId},
        observation::{LiveReview, ReviewState, Seen},
        policy::Policy,
        proposal::{Affected, AgentProof, Attestation, Proposal, ProposalParts},
        publish::Beside,
        receive::FieldError,
        rollback::Undo,
        source::{SourceFile, read_yaml},
    },
    render::{
        RenderError, ReportFacts, change_diff, check, commit_message, inbox_accepted, inbox_answer, masked,
        merge_message, merge_title, outcome, proposal_yaml, report, summary, title,
    },
};
use serde_json::{Value, json};

use crate::render_fixtures::*;

/// A report whose snapshot outlives an edit of the starter policies.
fn without_digests(policy: &Policy, proposal: &Proposal) -> String {
    let report = report_of(policy, proposal);
    let (action, rules) = (proposal.action_digest().to_string(), policy.digest().to_string());
    assert!(report.contains(&action) && report.contains(&rules));
    report
        .replace(&action, "sha256:(action)")
        .replace(&rules, "sha256:(rules)")
}

#[test]
fn i26_a_low_note() {
    let policy = policy();
    insta::assert_snapshot!(without_digests(&policy, &note(&policy)), @r###"
    ## Note on customer `C-1042`

    **Low risk, runs at once.** Why low: low impact, internal data, can be put back.

    ### What changes

    Countersign can't tell: the catalog names no place in the target system to read.

    ### What is sent

    `crm.note` (Add a note to a customer's record) on crm, for `/crm/customers/C-1042`.

    | Parameter | Value |
    |---|---|
    | `customer_id` | `C-1042` |
    | `text` | `Called back; the invoice was paid twice, refund promised.` |

    ### Can it be undone?

    The state before can be put back, within 30 days.

    ### Checks

    - **text**: passed

    ### Where it comes from

    - Proposed by support-agent, for which erin answers, at 2026-11-22 09:00 UTC
    - Proof: **gate-attested**: the gate checked the agent's shared secret; nobody can check that again
    - As the agent reports:
      - model `example-model-2`
      - conversation `conv-81`
    - Proposal: `01M817QNM0000000000000001A`
    - Fingerprint of what is approved: `sha256:(action)`
    - Fingerprint of the rules: `sha256:(rules)`

    ### What the agent says

    Nothing below is checked by anybody.

    The agent says why:

    ```text
    The customer asked to have the call on
    record.
    ```
    "###);
}

#[test]
fn i26_a_medium_campaign() {
    let policy = policy();
    insta::assert_snapshot!(without_digests(&policy, &campaign(&policy)), @r###"
    ## E-mail "Spring offer: 20% off" to segment spring-leads, 4,200 affected

    **Medium risk. Approve by 2026-11-25 09:00 UTC.** Why medium: moderate impact, personal data, **can't be undone**.

    **Needs 1 approval.**

    ### What changes

    Read by Countersign itself at 2026-11-22 09:00 UTC; read again right before it runs.

    Affects **4,200 records**: contacts who opted in to offers

    | Field | Now |
    |---|---|
    | `name` | `Spring leads` |
    | `size` | `4200` |

    2 of 4,200 records, as examples:

    | `city` | `name` |
    |---|---|
    | `Lyon` | `Ada Li` |
    | `Oslo` | `Tom Ek` |

    ### What is sent

    `campaigns.send` (Send an e-mail campaign to a segment of contacts) on campaigns, for `/campaigns/segments/spring-leads`.

    | Parameter | Value |
    |---|---|
    | `body` | 93 characters, in full below |
    | `from_name` | `Acme` (default) |
    | `segment_id` | `spring-leads` |
    | `subject` | `Spring offer: 20% off` |

    `body` in full:

    ```text
    Hello {{name}},

    until Sunday everything is 20% off:
    https://acme.example/spring

    Yours, Acme
    ```

    ### Can it be undone?

    It **can't be undone**.

    ### Checks

    - **text**: passed

    ### Who approves

    - 1 approval, out of **marketing** (dave)
    - Never: erin (sponsor of campaign-agent), bots, and whoever pushes to or merges this pull request
    - Once approved, Countersign merges it into `main` and runs it, once.
    - Without approval in time it expires and does not run.

    ### Where it comes from

    - Proposed by campaign-agent, for which erin answers, at 2026-11-22 09:00 UTC
    - Proof: **gate-attested**: the gate checked the agent's shared secret; nobody can check that again
    - Proposal: `01M817QNM0000000000000001A`
    - Fingerprint of what is approved: `sha256:(action)`
    - Fingerprint of the rules: `sha256:(rules)`

    ### What the agent says

    Nothing below is checked by anybody.

    The agent says why:

    ```text
    The spring campaign is planned for this
    week. The segment was cleaned on Friday,
    and everybody in it opted in to offers.
    ```

    The agent claims:

    ```text
    {
      "expected_open_rate_percent": 31,
      "reviewed_by": "the brand team"
    }
    ```

    The agent says how it would undo it:

    ```text
    Send a correction to the same segment.
    ```
    "###);
}

#[test]
fn i26_i29_a_high_payment() {
    let policy = policy();
    let report = report_of(&policy, &payment(&policy));
    assert!(!report.contains("DE89"), "the sealed value is masked");
    insta::assert_snapshot!(without_digests(&policy, &payment(&policy)), @r###"
    ## Pay acme-ltd 12,500.00 EUR, `INV-2041`

    **High risk. Approve by 2026-11-24 09:00 UTC.** Why high: high impact, financial data, can be undone.

    **Needs 2 approvals from different teams.**

    ### What changes

    Read by Countersign itself at 2026-11-22 09:00 UTC; read again right before it runs.

    Affects: ACME Ltd

    | Field | Before | After |
    |---|---|---|
    | `amount` | 84,000.00 EUR | 71,500.00 EUR |

    1 other field stays as it is.

    | What | Changes by |
    |---|---|
    | `balance_cents` | -1,250,000 |

    ### What is sent

    `payments.create` (Pay a supplier) on bank, for `/payments/suppliers/acme-ltd`.

    | Parameter | Value |
    |---|---|
    | `amount` | 12,500.00 EUR |
    | `iban` | •••• 3000 (sealed) |
    | `reference` | `INV-2041` |
    | `supplier_id` | `acme-ltd` |

    ### Can it be undone?

    It can be undone by hand in the target system, within 30 days.

    ### Checks

    - **text**: passed

    ### Who approves

    - 2 approvals from different teams, out of **finance** (alice), **treasury** (bob)
    - Never: carol (sponsor of payments-agent), bots, and whoever pushes to or merges this pull request
    - An approval counts for 24 hours.
    - Once approved, Countersign merges it into `main` and runs it, once.
    - Without approval in time it expires and does not run.

    ### Where it comes from

    - Proposed by payments-agent, for which carol answers, at 2026-11-22 09:00 UTC
    - Proof: **gate-attested**: the gate checked the agent's shared secret; nobody can check that again
    - As the agent reports:
      - model `example-model-2`
      - tool call `call_77`
      - trace `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`
    - Proposal: `01M817QNM0000000000000001A`
    - Fingerprint of what is approved: `sha256:(action)`
    - Fingerprint of the rules: `sha256:(rules)`

    ### What the agent says

    Nothing below is checked by anybody.

    The agent says why:

    ```text
    Invoice INV-2041 is due on 30 November;
    the goods arrived complete on 14
    November.
    ```

    The agent says how it would undo it:

    ```text
    Ask the bank for a recall within ten
    days.
    ```
    "###);
}

#[test]
fn i26_a_batch_of_twelve() {
    let policy = policy();
    insta::assert_snapshot!(without_digests(&policy, &batch(&policy)), @r###"
    ## 12 x Pay a supplier: 7,800.00 EUR in all

    **High risk. Approve by 2026-11-24 09:00 UTC.** Why high: high impact, financial data, can be undone.

    **Needs 2 approvals from different teams.**

    ### What changes

    Countersign has not read the target system for this.

    ### What is sent

    `payments.create` (Pay a supplier) on bank, 12 items.

    **Total: 7,800.00 EUR.**

    | Item | Parameters |
    |---|---|
    | `1` | amount: 100.00 EUR; reference: `November fees 1`; supplier_id: `supplier-01` |
    | `2` | amount: 200.00 EUR; reference: `November fees 2`; supplier_id: `supplier-02` |
    | `3` | amount: 300.00 EUR; reference: `November fees 3`; supplier_id: `supplier-03` |
    | `4` | amount: 400.00 EUR; reference: `November fees 4`; supplier_id: `supplier-04` |
    | `5` | amount: 500.00 EUR; reference: `November fees 5`; supplier_id: `supplier-05` |
    | `6` | amount: 600.00 EUR; reference: `November fees 6`; supplier_id: `supplier-06` |
    | `7` | amount: 700.00 EUR; reference: `November fees 7`; supplier_id: `supplier-07` |
    | `8` | amount: 800.00 EUR; reference: `November fees 8`; supplier_id: `supplier-08` |
    | `9` | amount: 900.00 EUR; reference: `November fees 9`; supplier_id: `supplier-09` |
    | `10` | amount: 1,000.00 EUR; reference: `November fees 10`; supplier_id: `supplier-10` |
    | `11` | amount: 1,100.00 EUR; reference: `November fees 11`; supplier_id: `supplier-11` |
    | `12` | amount: 1,200.00 EUR; reference: `November fees 12`; supplier_id: `supplier-12` |

    ### Can it be undone?

    It can be undone by hand in the target system, within 30 days.

    ### Checks

    - **text**: passed

    ### Who approves

    - 2 approvals from different teams, out of **finance** (alice), **treasury** (bob)
    - Never: carol (sponsor of payments-agent), bots, and whoever pushes to or merges this pull request
    - An approval counts for 24 hours.
    - Once approved, Countersign merges it into `main` and runs it, once.
    - Without approval in time it expires and does not run.

    ### Where it comes from

    - Proposed by payments-agent, for which carol answers, at 2026-11-22 09:00 UTC
    - Proof: **gate-attested**: the gate checked the agent's shared secret; nobody can check that again
    - Proposal: `01M817QNM0000000000000001A`
    - Fingerprint of what is approved: `sha256:(action)`
    - Fingerprint of the rules: `sha256:(rules)`

    ### What the agent says

    Nothing below is checked by anybody.

    The agent says why:

    ```text
    The monthly fees of all twelve
    suppliers.
    ```
    "###);
}

#[test]
fn i04_a_proof_says_whether_anybody_can_check_it() {
    let policy = policy();
    let mut parts = ProposalParts::from(payment(&policy));
    let by_hmac = report_of(&policy, &payment(&policy));
    assert!(
        by_hmac.contains("Proof: **gate-attested**: the gate checked the agent's shared secret"),
        "{by_hmac}"
    );
    parts.proof = AgentProof::GateAttested {
        by: Attestation::Account,
    };
    let by_account = report_of(&policy, &Proposal::new(parts.clone()).unwrap());
    assert!(
        by_account.contains("Proof: **gate-attested**: it came from"),
        "{by_account}"
    );
    let key = "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8";
    parts.proof = AgentProof::Ed25519 {
        key: key.parse().unwrap(),
        signature: String::new(),
    };
    let signed = report_of(&policy, &Proposal::new(parts).unwrap());
    assert!(
        signed.contains(&format!("Proof: signed by the agent, key `{key}`")),
        "{signed}"
    );
    assert!(!signed.contains("gate-attested"));
}

#[test]
fn i10_i26_failed_checks_and_flagged_words_say_what_to_do() {
    let policy = policy();
    let odd = propose(
        &policy,
        "support-agent",
        json!({
            "operation": "crm.note",
            "parameters": {"customer_id": "C-1", "text": "from \u{410}cme\u{202e}"},
            "justification": "x",
        }),
        vec![],
    );
    let report = report_of(&policy, &odd);
    let checks: Vec<&str> = report
        .lines()
        .skip_while(|line| *line != "### Checks")
        .take_while(|line| *line != "### Where it comes from")
        .collect();
    insta::assert_snapshot!(checks.join("\n"), @r###"
    ### Checks

    - **text**: failed, keeps the gate shut
      - At `/items/1/parameters/text`: a text-direction control (U+202E). To do: send the text without it.
      - At `/items/1/parameters/text`: `Аcme` mixes scripts; one of its letters may pose as another. To do: compare it with the name you know, or send it in one script.
    "###);
}

#[test]
fn i26_words_of_mixed_scripts_are_flagged_whatever_the_catalog_asks() {
    let policy = policy();
    let odd = propose(
        &policy,
        "support-agent",
        json!({
            "operation": "crm.note",
            "parameters": {"customer_id": "C-1", "text": "from \u{410}cme"},
            "justification": "x",
        }),
        vec![],
    );
    let mut assessment = assessment(&policy, &odd);
    assessment.checks.clear();
    let report = report(&ReportFacts {
        proposal: &odd,
        assessment: &assessment,
        policy: &policy,
        base: &base(),
        replaces: None,
        taken_back: None,
    })
    .unwrap();
    assert!(
        report.contains("- **text**: look closely (the catalog does not require this check)"),
        "{report}"
    );
}

#[test]
fn a_check_that_passed_leaves_nothing_to_do() {
    let policy = policy();
    let note = note(&policy);
    let mut assessment = assessment(&policy, &note);
    let held = "limit `daily` of 50,000.00 EUR in 1d: nothing ran, and this adds 12,500.00 EUR";
    let problem = Problem {
        level: Level::Pass,
        at: "/items".to_owned(),
        found: held.to_owned(),
        remedy: String::new(),
    };
    assessment
        .checks
        .push(CheckResult::of(&"limits".parse().unwrap(), vec![problem]));
    let report = report(&ReportFacts {
        proposal: &note,
        assessment: &assessment,
        policy: &policy,
        base: &base(),
        replaces: None,
        taken_back: None,
    })
    .unwrap();
    let said: Vec<&str> = report
        .lines()
        .skip_while(|line| *line != "- **limits**: passed")
        .take(3)
        .collect();
    assert_eq!(
        said,
        ["- **limits**: passed", &format!("  - At `/items`: {held}."), ""]
    );
}

#[test]
fn a_sealed_value_is_never_shown_as_the_same_for_every_item() {
    let policy = policy();
    let item = |id: &str, iban: &str| {
        json!({"id": id, "parameters": {
            "supplier_id": "acme-ltd",
            "amount": {"minor": 100, "currency": "EUR"},
            "reference": "x",
            "iban": iban,
        }})
    };
    let two = propose(
        &policy,
        "payments-agent",
        json!({
            "operation": "payments.create",
            "items": [item("a", "DE89370400440532013000"), item("b", "FR7630006000011234563000")],
            "justification": "x",
        }),
        vec![],
    );
    let report = report_of(&policy, &two);
    assert!(
        report.contains("| `a` | •••• 3000 (sealed) |\n| `b` | •••• 3000 (sealed) |"),
        "{report}"
    );
}

fn title_of(policy: &Policy, proposal: &Proposal) -> String {
    title(proposal, &assessment(policy, proposal))
}

#[test]
fn titles_say_tier_object_and_size() {
    let policy = policy();
    let titles: Vec<String> = [note(&policy), campaign(&policy), payment(&policy), batch(&policy)]
        .iter()
        .map(|proposal| title_of(&policy, proposal))
        .collect();
    insta::assert_snapshot!(titles.join("\n"), @r###"
    [low] Note on customer C-1042
    [medium] E-mail "Spring offer: 20% off" to segment…, 4,200 affected
    [high] Pay acme-ltd 12,500.00 EUR, INV-2041
    [high] 12 x Pay a supplier: 7,800.00 EUR in all
    "###);
    let long = propose(
        &policy,
        "payments-agent",
        json!({
            "operation": "payments.create",
            "parameters": {
                "supplier_id": "a-supplier-with-a-very-long-identifier-of-sixty-four-characters-",
                "amount": {"minor": 99_999_999_999_i64, "currency": "KWD"},
                "reference": "a reference that goes on and on until the line is nearly full of it",
            },
            "justification": "x",
        }),
        vec![],
    );
    let title = title_of(&policy, &long);
    assert!(
        title.contains("99,999,999.999 KWD") && title.contains('…'),
        "{title}"
    );
    assert!(title.chars().count() <= 70, "{title}");
    let report = report_of(&policy, &long);
    assert!(
        report.contains(&format!("In full: {}", "Pay a-supplier-with")),
        "{report}"
    );
}

#[test]
fn i26_the_first_two_hundred_characters_say_what_why_and_until_when() {
    let policy = policy();
    for proposal in [campaign(&policy), payment(&policy), batch(&policy)] {
        let report = report_of(&policy, &proposal);
        let first: String = report.chars().take(200).collect();
        for needed in ["Approve by 2026-11-2", "Why ", " impact, ", " data, "] {
            assert!(first.contains(needed), "{needed} is missing in\n{first}");
        }
        assert!(first.contains("12,500.00 EUR") || first.contains("4,200") || first.contains("7,800.00 EUR"));
    }
}

#[test]
fn i26_what_exceeds_github_s_limit_is_refused() {
    let policy = policy();
    let items: Vec<Value> = (0..500)
        .map(|n| {
            json!({"id": format!("item-{n}"), "parameters": {
                "supplier_id": format!("supplier-{n}"),
                "amount": {"minor": 100 + n, "currency": "EUR"},
                "reference": format!("{n} {}", "x".repeat(110)),
            }})
        })
        .collect();
    let proposal = propose(
        &policy,
        "payments-agent",
        json!({"operation": "payments.create", "items": items, "justification": "x"}),
        vec![],
    );
    let refused = report(&ReportFacts {
        proposal: &proposal,
        assessment: &assessment(&policy, &proposal),
        policy: &policy,
        base: &base(),
        replaces: None,
        taken_back: None,
    });
    let error = refused.expect_err("it has more than 65,536 characters");
    assert!(matches!(error, RenderError::TooLong { max: 65_536, .. }));
    assert!(
        error
            .to_string()
            .ends_with("split the proposal into smaller ones"),
        "{error}"
    );
}

#[test]
fn a_summary_that_does_not_fit_is_refused() {
    let policy = policy();
    let action = policy.action(&"campaigns.send".parse().unwrap()).unwrap();
    let long = json!({"segment_id": "x".repeat(64), "subject": "y".repeat(150), "body": "z"});
    assert_eq!(
        summary(action, &long),
        Err(RenderError::Summary { have: 235, max: 200 })
    );
    let missing = summary(action, &json!({"subject": "y"})).unwrap_err();
    assert!(missing.to_string().contains("`campaigns.send`"), "{missing}");
    let shown = summary(action, &json!({"segment_id": "a", "subject": "x\u{202e}y\nz"})).unwrap();
    assert_eq!(shown, "E-mail \"x\\u{202e}y\\nz\" to segment a");
}

#[test]
fn i29_sensitive_parameters_are_masked_before_anything_is_said() {
    let policy = policy();
    let action = policy.action(&"payments.create".parse().unwrap()).unwrap();
    let shown = masked(
        action,
        &json!({"supplier_id": "a", "iban": "DE89370400440532013000"}),
    );
    assert_eq!(shown, json!({"supplier_id": "a", "iban": "•••• 3000"}));
    assert_eq!(
        masked(action, &json!({"iban": {"odd": 1}})),
        json!({"iban": "••••"})
    );
}

#[test]
fn a_proposal_s_file_reads_back_equal() {
    let policy = policy();
    for proposal in [note(&policy), campaign(&policy), payment(&policy), batch(&policy)] {
        let bytes = proposal_yaml(&proposal).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("# Written by Countersign"));
        let back: Proposal = read_yaml(&SourceFile::new("proposal.yaml", text)).unwrap();
        assert_eq!(back, proposal);
    }
}

/// The approved bytes are digested: another order would be another file.
#[test]
fn i09_a_proposal_s_file_has_its_fields_in_the_order_that_it_always_had() {
    let text = String::from_utf8(proposal_yaml(&one_example(&policy())).unwrap()).unwrap();
    let under = |indent: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(indent));
        let keys = lines.filter_map(|line| line.split_once(':'));
        let keys = keys.filter(|(key, _)| key.starts_with(|c: char| c.is_ascii_lowercase()));
        keys.map(|(key, _)| key.to_owned()).collect()
    };
    let all = "id spec_version created_at expires_at idempotency_key nonce proof binding summary defaulted observed claimed \
               justification provenance";
    assert_eq!(under("").join(" "), all);
    let binding = "gate_attested operation agent sponsor target items valid ";
    assert!(under("  ").join(" ").starts_with(binding), "{text}");
    let deeper = under("    ").join(" ");
    let places = [
        "system resource schema_digest",
        "parameters observed_digest from until",
    ];
    assert!(
        places.iter().all(|place| deeper.contains(place)),
        "{deeper}\n{text}"
    );
}

/// A proposal with a single record as an example.
fn one_example(policy: &Policy) -> Proposal {
    let seen = facts(
        json!({"z": 1, "a": {"y": [1, {"q": 2, "b": 3}], "x": 2}}),
        Some(json!({"z": 2, "a": {"y": [1, {"q": 2, "b": 3}], "x": 2}})),
        Affected {
            sample: vec![json!({"z": 1, "y": 2, "x": 3, "w": {"v": 4, "a": 5}})],
            ..Affected::default()
        },
    );
    propose(
        policy,
        "campaign-agent",
        json!({
            "operation": "campaigns.send",
            "parameters": {"subject": "s", "segment_id": "a", "body": "b"},
            "claimed": {"z": {"y": 1, "b": 2}, "a": 1},
            "justification": "x",
        }),
        vec![("1", seen)],
    )
}

#[test]
fn i26_a_single_record_is_told_as_one() {
    let policy = policy();
    let report = report_of(&policy, &one_example(&policy));
    assert!(report.contains("\n\n1 record, as an example:\n\n|"), "{report}");
}

#[test]
fn i26_a_proposal_read_back_from_the_ledger_gives_the_same_bytes() {
    let policy = policy();
    let proposal = one_example(&policy);
    let back: Proposal = serde_json::from_slice(&canonical(&proposal).unwrap()).unwrap();
    assert_eq!(back, proposal);
    assert_eq!(report_of(&policy, &back), report_of(&policy, &proposal));
    assert_eq!(change_diff(&back), change_diff(&proposal));
    assert_eq!(proposal_yaml(&back).unwrap(), proposal_yaml(&proposal).unwrap());
    assert_eq!(commit_message(&back), commit_message(&proposal));
}

#[test]
fn change_diff_is_a_diff_that_git_applies() {
    let policy = policy();
    insta::assert_snapshot!(change_diff(&payment(&policy)), @r###"
    diff --git a/payments/suppliers/acme-ltd b/payments/suppliers/acme-ltd
    --- a/payments/suppliers/acme-ltd
    +++ b/payments/suppliers/acme-ltd
    @@ -1,7 +1,7 @@
     {
       "amount": {
         "currency": "EUR",
    -    "minor": 8400000
    +    "minor": 7150000
       },
       "limit": {
         "currency": "EUR",
    "###);
    insta::assert_snapshot!(change_diff(&note(&policy)), @r###"
    diff --git a/crm/customers/C-1042 b/crm/customers/C-1042
    new file mode 100644
    --- /dev/null
    +++ b/crm/customers/C-1042
    @@ -0,0 +1,4 @@
    +{
    +  "customer_id": "C-1042",
    +  "text": "Called back; the invoice was paid twice, refund promised."
    +}
    "###);
    let dir = tempfile::tempdir().unwrap();
    let before = dir.path().join("payments/suppliers/acme-ltd");
    std::fs::create_dir_all(before.parent().unwrap()).unwrap();
    let seen = payment(&policy).observed[0].facts.before.clone();
    std::fs::write(&before, format!("{seen:#}\n")).unwrap();
    for proposal in [payment(&policy), note(&policy), campaign(&policy), batch(&policy)] {
        let file = dir.path().join("change.diff");
        std::fs::write(&file, change_diff(&proposal)).unwrap();
        let git = std::process::Command::new("git")
            .args(["apply", "--check", "change.diff"])
            .current_dir(dir.path())
            .env("GIT_CEILING_DIRECTORIES", dir.path())
            .output()
            .unwrap();
        assert!(git.status.success(), "{}", String::from_utf8_lossy(&git.stderr));
    }
}

fn shown(case: &Case, seen: &countersign::domain::observation::Observation, policy: &Policy) -> String {
    let text = check(case, &decided(case, seen, policy), policy, Beside::default()).unwrap();
    format!("{}\n----\n{}", text.title, text.summary)
}

#[test]
fn a_check_names_who_could_approve() {
    let policy = policy();
    let case = open_case(&policy, payment(&policy));
    insta::assert_snapshot!(shown(&case, &observation(&case), &policy), @r###"
    Waiting: 0 of 2 approvals
    ----
    **Approvals: 0 of 2; ask alice (finance) or bob (treasury).**

    Pay acme-ltd 12,500.00 EUR, `INV-2041`

    | Rule | Stands | Why |
    |---|---|---|
    | Approvals | **missing** | 0 of 2; ask alice (finance) or bob (treasury) |
    | Rules | ok | the ones it was proposed under |
    | Action | ok | known to the catalog as proposed |
    | Risk | ok | same risk and check results as when it was proposed |
    | Checks | ok | none failed |
    | Deadline | ok | can be approved until 2026-11-24 09:00 UTC |
    | Earliest time | ok | has come |
    | Pull request | ok | the one Countersign opened |
    | Commit | ok | the one that was proposed |
    | Title and text | ok | as Countersign wrote them |
    | Written by | ok | Countersign alone |
    | Branch rules | ok | strong enough |
    | Seen before | ok | Countersign itself read what is affected |
    | Owners | ok | named by CODEOWNERS |
    | Objections | ok | none |
    "###);
}

#[test]
fn i08_a_check_says_why_the_sponsor_does_not_count() {
    let policy = policy();
    let mut case = open_case(&policy, payment(&policy));
    let mut seen = observation(&case);
    review(&mut case, &mut seen, 1001, ReviewState::Approved);
    review(&mut case, &mut seen, 1003, ReviewState::Approved);
    review(&mut case, &mut seen, 1004, ReviewState::Approved);
    insta::assert_snapshot!(shown(&case, &seen, &policy), @r###"
    Waiting: 1 of 2 approvals
    ----
    **Approvals: 1 of 2 (alice); ask bob (treasury).**

    Pay acme-ltd 12,500.00 EUR, `INV-2041`

    | Rule | Stands | Why |
    |---|---|---|
    | Approvals | **missing** | 1 of 2 (alice); ask bob (treasury) |
    | Does not count | note | carol's approval: the agent's sponsor never approves |
    | Does not count | note | dave's approval: not an owner here, or without write access now |
    | Rules | ok | the ones it was proposed under |
    | Action | ok | known to the catalog as proposed |
    | Risk | ok | same risk and check results as when it was proposed |
    | Checks | ok | none failed |
    | Deadline | ok | can be approved until 2026-11-24 09:00 UTC |
    | Earliest time | ok | has come |
    | Pull request | ok | the one Countersign opened |
    | Commit | ok | the one that was proposed |
    | Title and text | ok | as Countersign wrote them |
    | Written by | ok | Countersign alone |
    | Branch rules | ok | strong enough |
    | Seen before | ok | Countersign itself read what is affected |
    | Owners | ok | named by CODEOWNERS |
    | Objections | ok | none |
    "###);
}

#[test]
fn a_check_says_when_everything_holds() {
    let policy = policy();
    let mut case = open_case(&policy, payment(&policy));
    let mut seen = observation(&case);
    review(&mut case, &mut seen, 1001, ReviewState::Approved);
    review(&mut case, &mut seen, 1002, ReviewState::Approved);
    insta::assert_snapshot!(shown(&case, &seen, &policy), @r###"
    Approved
    ----
    **Approved. Countersign merges it now and runs it.**

    Pay acme-ltd 12,500.00 EUR, `INV-2041`

    | Rule | Stands | Why |
    |---|---|---|
    | Rules | ok | the ones it was proposed under |
    | Action | ok | known to the catalog as proposed |
    | Risk | ok | same risk and check results as when it was proposed |
    | Checks | ok | none failed |
    | Deadline | ok | can be approved until 2026-11-24 09:00 UTC |
    | Earliest time | ok | has come |
    | Pull request | ok | the one Countersign opened |
    | Commit | ok | the one that was proposed |
    | Title and text | ok | as Countersign wrote them |
    | Written by | ok | Countersign alone |
    | Branch rules | ok | strong enough |
    | Seen before | ok | Countersign itself read what is affected |
    | Owners | ok | named by CODEOWNERS |
    | Approvals | ok | 2 of 2 (alice, bob) |
    | Objections | ok | none |
    "###);
    let decision = decided(&case, &seen, &policy);
    let message = format!(
        "{}\n\n{}",
        merge_title(&case, &decision),
        merge_message(&case, &decision)
    );
    let action = case.proposal.action_digest().to_string();
    insta::assert_snapshot!(message.replace(&action, "sha256:(action)"), @r###"
    Approve: Pay acme-ltd 12,500.00 EUR, INV-2041 (alice, bob)

    Proposed by payments-agent for carol, high risk.

    Proposal-Id: 01M817QNM0000000000000001A
    Approved-By: alice
    Approved-By: bob
    Action-Digest: sha256:(action)
    "###);
}

#[test]
fn a_check_says_what_blocks_and_what_could_not_be_read() {
    let policy = policy();
    let mut case = open_case(&policy, campaign(&policy));
    let mut seen = observation(&case);
    review(&mut case, &mut seen, 1004, ReviewState::ChangesRequested);
    let Seen::Known(pull) = &mut seen.pull else {
        panic!("the pull request is known");
    };
    pull.head = sha(9);
    pull.body = Digest::of(b"edited");
    insta::assert_snapshot!(shown(&case, &seen, &policy), @r###"
    Blocked: commit
    ----
    **Commit: somebody moved the branch; the agent must propose it anew.**

    **Title and text: somebody edited them; Countersign puts them back.**

    **Objections: dave asked for changes; once that is settled, they approve or withdraw their review.**

    E-mail "Spring offer: 20% off" to segment spring-leads

    | Rule | Stands | Why |
    |---|---|---|
    | Commit | **no** | somebody moved the branch; the agent must propose it anew |
    | Title and text | **no** | somebody edited them; Countersign puts them back |
    | Objections | **no** | dave asked for changes; once that is settled, they approve or withdraw their review |
    | Approvals | **missing** | 0 of 1; ask dave (marketing) |
    | Rules | ok | the ones it was proposed under |
    | Action | ok | known to the catalog as proposed |
    | Risk | ok | same risk and check results as when it was proposed |
    | Checks | ok | none failed |
    | Deadline | ok | can be approved until 2026-11-25 09:00 UTC |
    | Earliest time | ok | has come |
    | Pull request | ok | the one Countersign opened |
    | Written by | ok | Countersign alone |
    | Branch rules | ok | strong enough |
    | Seen before | ok | Countersign itself read what is affected |
    | Owners | ok | named by CODEOWNERS |
    "###);
    seen.reviews = Seen::unknown("500");
    seen.pull = Seen::unknown("500");
    insta::assert_snapshot!(shown(&case, &seen, &policy), @r###"
    Can't tell yet: pull request
    ----
    **Pull request: could not be read; Countersign tries again.**

    E-mail "Spring offer: 20% off" to segment spring-leads

    | Rule | Stands | Why |
    |---|---|---|
    | Pull request | **unknown** | could not be read; Countersign tries again |
    | Rules | ok | the ones it was proposed under |
    | Action | ok | known to the catalog as proposed |
    | Risk | ok | same risk and check results as when it was proposed |
    | Checks | ok | none failed |
    | Deadline | ok | can be approved until 2026-11-25 09:00 UTC |
    | Earliest time | ok | has come |
    "###);
}

#[test]
fn i12_a_check_says_that_the_deadline_passed() {
    let policy = policy();
    let case = open_case(&policy, campaign(&policy));
    let mut seen = observation(&case);
    seen.at = at("2026-11-26T10:00:00Z");
    let text = check(&case, &decided(&case, &seen, &policy), &policy, Beside::default()).unwrap();
    insta::assert_snapshot!(text.title, @r###"Blocked: deadline"###);
    assert!(
        text.summary
            .contains("passed at 2026-11-25 09:00 UTC; the agent must propose it anew")
    );
}

fn step(item: &str, outcome: Outcome, status: Option<u16>, note: Option<&str>) -> StepResult {
    StepResult {
        item: item.parse().unwrap(),
        step: None,
        undo: false,
        outcome,
        status,
        request: Digest::of(b"request"),
        response: None,
        note: note.map(Into::into),
    }
}

fn finished(case: &mut Case, life: Life, outcome: Outcome, steps: Vec<StepResult>) {
    case.life = life;
    case.merged = Some(Merged {
        sha: sha(3),
        parents: vec![sha(1), sha(2)],
        at: now(),
        by: Some(BOT),
    });
    case.started = Some(Started {
        instance: "executor-1".parse().unwrap(),
        deadline: at("2026-11-22T11:00:00Z"),
        attempt: 1,
        idempotency_key: "cs-01M817QNM0-1".into(),
        claim: ClaimedBy::Ledger,
        resumable: false,
        thaws: None,
        excluded: Vec::new(),
    });
    case.finished = Some(Finished {
        instance: "executor-1".parse().unwrap(),
        outcome,
        steps,
        credentials: Vec::new(),
    });
}

#[test]
fn a_report_says_what_each_section_needs() {
    let owners =
        "/payments/ @acme/finance\n[Legal & risk][1] @erin\n/payments/\n^[`Wording`] @acme/marketing\n*\n";
    let policy = policy_owned_by(owners);
    let report = report_of(&policy, &payment(&policy));
    let (_, part) = report.split_once("### Who approves\n\n").unwrap();
    let (part, _) = part.split_once("- Never:").unwrap();
    insta::assert_snapshot!(part, @r"
    - 2 approvals from different teams, out of **finance** (alice)
    - 1 approval, out of erin, for `Legal & risk`
    - Asked too, without being needed: **marketing** (dave, erin), for `` `Wording` ``
    ");
}

#[test]
fn an_outcome_tells_how_far_it_came_and_how_it_is_taken_back() {
    let policy = policy();
    let mut case = open_case(&policy, payment(&policy));
    case.life = Life::Started;
    case.progress = Some((2, 3));
    let text = outcome(&case, &policy, None).unwrap();
    assert!(text.contains("Step 2 of 3 is taken."), "{text}");
    finished(
        &mut case,
        Life::Executed,
        Outcome::Executed,
        vec![step("1", Outcome::Executed, Some(201), None)],
    );
    let by = case.proposal.id;
    let told = |life, pull: Option<u64>| {
        let undo = Undo {
            by,
            life,
            pull: pull.map(PullNumber),
        };
        let text = outcome(&case, &policy, Some(undo)).unwrap();
        let line = text.lines().find(|line| line.contains("olled back")).unwrap();
        let undone = text.contains("It can be undone");
        (line.replace(&by.to_string(), "ID"), undone)
    };
    assert_eq!(
        told(Life::Open, Some(7)),
        (
            "To be **rolled back** by #7, proposal `ID`, which is open.".into(),
            false
        )
    );
    assert_eq!(
        told(Life::Executed, None),
        (
            "**Rolled back** by proposal `ID`, which is executed.".into(),
            false
        )
    );
    assert_eq!(
        told(Life::Denied, None),
        (
            "**Not rolled back**: it was to be, by proposal `ID`, which is denied.".into(),
            true
        )
    );
}

#[test]
fn an_outcome_tells_what_ran_and_how_to_undo_it() {
    let policy = policy();
    let mut case = open_case(&policy, payment(&policy));
    finished(
        &mut case,
        Life::Executed,
        Outcome::Executed,
        vec![step("1", Outcome::Executed, Some(201), None)],
    );
    let text = outcome(&case, &policy, None).unwrap();
    insta::assert_snapshot!(text, @r###"
    ### Done: it ran

    Pay acme-ltd 12,500.00 EUR, `INV-2041`

    It ran once, exactly as approved.

    | Item | Result | Status |
    |---|---|---|
    | `1` | ran | 201 |

    It can be undone by hand in the target system, within 30 days.

    Merged as `03030303`

    For information: @acme/treasury
    "###);
    let mut case = open_case(&policy, batch(&policy));
    finished(
        &mut case,
        Life::Partial,
        Outcome::Partial,
        vec![
            step("1", Outcome::Executed, Some(201), None),
            step(
                "2",
                Outcome::Refused,
                Some(422),
                Some("account closed | see <b>help</b>"),
            ),
        ],
    );
    insta::assert_snapshot!(outcome(&case, &policy, None).unwrap(), @r###"
    ### Done in part

    12 x Pay a supplier: 7,800.00 EUR in all

    Some items ran and some did not. The agent may propose the others anew.

    | Item | Result | Status | Note |
    |---|---|---|---|
    | `1` | ran | 201 | - |
    | `2` | **refused** | 422 | `account closed \u{7c} see <b>help</b>` |

    It can be undone by hand in the target system, within 30 days.

    Key that the target system was given: `cs-01M817QNM0-1`

    Merged as `03030303`

    For information: @acme/treasury
    "###);
}

#[test]
fn every_end_has_its_words() {
    let policy = policy();
    let mut case = open_case(&policy, payment(&policy));
    let mut all = Vec::new();
    for life in [
        Life::Refused,
        Life::Errored,
        Life::Unknown,
        Life::Undone,
        Life::Voided,
        Life::Denied,
        Life::Expired,
        Life::Cancelled,
        Life::Superseded,
        Life::Bypassed,
        Life::PolicyChanged,
        Life::RefusedAfterMerge,
    ] {
        case.life = life;
        case.voided = Some(VoidReason::ForeignHead);
        let text = outcome(&case, &policy, None).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        all.push(format!(
            "{}\n    {}",
            lines[0].trim_start_matches("### "),
            lines[2]
        ));
    }
    insta::assert_snapshot!(all.join("\n"), @r###"
    Not done: the target system refused it
        Nothing changed. The agent may correct it and propose it anew.
    Failed
        Something may have happened: look in the target system before anybody proposes it anew.
    Unknown: it may or may not have run
        It was started and nobody heard how it ended. It is never tried again by itself: look in the target system, then settle it.
    Failed, and undone
        What had run was undone. The agent may propose it anew.
    Void: it did not run
        Somebody else moved the branch, so that it is not what was proposed. The agent may propose it anew.
    Denied: it did not run
        Somebody closed it without a merge. That was a no.
    Expired: it did not run
        Nobody approved it in time. That is neither a yes nor a no; the agent may propose it anew.
    Cancelled: it did not run
        Its agent took it back.
    Replaced: it did not run
        A later proposal takes its place.
    Merged around the gate: it did not run
        It was merged without the approvals it needs. It will not run, and this was recorded as an incident.
    The rules changed: it did not run
        The rules in force are not the ones it was approved under. It will not run; the agent may propose it anew.
    Refused after the merge: it did not run
        The last look before the start said no. It will not run; the agent may propose it anew.
    "###);
    case.life = Life::Bypassed;
    case.refused = Some("the gate was waiting: 0 of 2 approvals".into());
    insta::assert_snapshot!(outcome(&case, &policy, None).unwrap(), @r###"
    ### Merged around the gate: it did not run

    Pay acme-ltd 12,500.00 EUR, `INV-2041`

    It was merged without the approvals it needs. It will not run, and this was recorded as an incident.

    Why: the gate was waiting: 0 of 2 approvals

    For information: @acme/treasury
    "###);
}

#[test]
fn i26_comments_and_checks_stay_within_github_s_limits() {
    let policy = policy();
    let mut case = open_case(&policy, payment(&policy));
    let note = "|<b>".repeat(500);
    let steps = (0..500)
        .map(|n| {
            let outcome = if n == 499 {
                Outcome::Refused
            } else {
                Outcome::Executed
            };
            step(&n.to_string(), outcome, Some(422), Some(&note))
        })
        .collect();
    finished(&mut case, Life::Partial, Outcome::Partial, steps);
    let text = outcome(&case, &policy, None).unwrap();
    assert!(text.chars().count() < 65_536, "{}", text.chars().count());
    assert!(text.contains("| `499` | **refused** |") && text.contains("And 450 more items"));
    let errors: Vec<FieldError> = (0..200).map(|_| FieldError::new(&note, &note)).collect();
    let text = inbox_answer(&errors).unwrap();
    assert!(text.chars().count() < 65_536, "{}", text.chars().count());
    assert!(text.contains("- and 175 more"));
    let case = open_case(&policy, payment(&policy));
    let mut seen = observation(&case);
    let Seen::Known(reviews) = &mut seen.reviews else {
        panic!("reviews are known");
    };
    // Anybody may review in a public repository.
    reviews.extend((0..2_000).map(|n| LiveReview {
        id: ReviewId(n),
        account: Some(AccountId(1_000_000 + n)),
        login: None,
        human: true,
        state: ReviewState::Approved,
        commit: Some(sha(2)),
        submitted_at: now(),
    }));
    let text = check(&case, &decided(&case, &seen, &policy), &policy, Beside::default())
        .unwrap()
        .summary;
    assert!(text.chars().count() < 65_536, "{}", text.chars().count());
    assert!(
        text.contains("| Approvals | **missing** |") && text.contains("more | | |"),
        "{text}"
    );
}

#[test]
fn answers_in_the_inbox_name_every_field() {
    let answer = inbox_answer(&[
        FieldError::new("/parameters/amount", "is missing; send `{minor, currency}`"),
        FieldError::new(
            "",
            "give either `parameters` (one item) or `items` (several); none is there",
        ),
    ]);
    insta::assert_snapshot!(answer.unwrap(), @r###"
    `proposal.yaml` can't become a proposal yet. Nothing will run.

    - `/parameters/amount`: is missing; send `{minor, currency}`
    - give either `parameters` (one item) or `items` (several); none is there

    Correct the file and push again; it is read anew with each push.
    "###);
    let id = ProposalId::from_parts(now(), 42);
    insta::assert_snapshot!(inbox_accepted(id, PullNumber(12)).unwrap(), @r###"
    Countersign took this over as #12, proposal `01M817QNM0000000000000001A`.

    It is reviewed, approved and run there. This pull request is closed; nothing in it is merged.
    "###);
}

#[test]
fn a_proposal_s_commit_says_who_asks_for_what() {
    let policy = policy();
    let action = payment(&policy).action_digest().to_string();
    insta::assert_snapshot!(commit_message(&payment(&policy)).replace(&action, "sha256:(action)"), @r###"
    Propose: Pay acme-ltd 12,500.00 EUR, INV-2041

    Proposed by payments-agent for carol.

    Proposal-Id: 01M817QNM0000000000000001A
    Action-Digest: sha256:(action)
    "###);
}

#[test]
#[ignore = "writes the reports to a directory, to be looked at in a browser"]
fn reports_to_look_at() {
    let policy = policy();
    let dir = std::path::PathBuf::from(std::env::var("REPORTS_DIR").unwrap());
    for (name, proposal) in [
        ("note", note(&policy)),
        ("campaign", campaign(&policy)),
        ("payment", payment(&policy)),
        ("batch", batch(&policy)),
    ] {
        let text = report_of(&policy, &proposal);
        std::fs::write(dir.join(format!("{name}.md")), &text).unwrap();
        std::fs::write(
            dir.join(format!("{name}.html")),
            comrak::markdown_to_html(&text, &gfm()),
        )
        .unwrap();
    }
}

/// GitHub's own rules, as comrak knows them; raw HTML is let through, as the worst reader would.
pub(crate) fn gfm() -> comrak::Options<'static> {
    let mut options = comrak::Options::default();
    options.extension.strikethrough = true;
    options.extension.table = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.alerts = true;
    options.extension.math_dollars = true;
    options.extension.math_code = true;
    options.extension.description_lists = false;
    options.render.r#unsafe = true;
    options
}
