//! What a pull request that changes the rules shows, and its merge.

use std::collections::BTreeMap;

use super::{Asked, Bot, NotNow, brings::Brings};
use crate::{
    domain::{
        amendment::{Change, Decided},
        gate::Verdict,
        ids::Digest,
        observation::PullState,
        policy::{
            Tier,
            lint::{Finding, Severity},
        },
        publish::{CheckShown, Conclusion, Effect},
    },
    github::{Annotation, Applied, MOST_ANNOTATIONS, MergeText, PullBrief, Seeing, Texts},
    render,
    service::turn::look::logins,
};

/// What was found about a change of the rules besides the decision.
pub(super) struct Shown<'a> {
    pub(super) brings: &'a Brings,
    /// The past under the new rules, when they are rules.
    pub(super) replayed: Option<render::Replayed>,
}

impl Bot {
    /// Makes the pull request show where it stands, and merges it when told to.
    pub(super) async fn show_amendment(
        &self,
        asked: &Asked<'_>,
        look: &Shown<'_>,
        seeing: &Seeing,
        decided: &Decided,
        merge: Option<Effect>,
    ) -> Result<(), NotNow> {
        let active = asked.old.digest();
        let Shown { brings, replayed } = look;
        let text = render::amendment(&render::AmendmentText {
            decided,
            state: &seeing.pull().state,
            active,
            brings: asked.change.to,
            gate: asked.old.gate(Tier::High),
            new_gate: asked.new.map(|new| new.gate(Tier::High)),
            findings: &brings.findings,
            unreadable: brings.unreadable.as_deref(),
            tested: brings.tested.as_ref(),
            replayed: replayed.as_ref(),
        })?;
        let merged = matches!(seeing.pull().state, PullState::Merged { .. });
        let conclusion = match (decided.verdict(), merged) {
            (Verdict::Open, _) => Conclusion::Success,
            (Verdict::Waiting, false) => Conclusion::ActionRequired,
            (Verdict::Waiting, true) | (Verdict::Blocked | Verdict::Errored, _) => Conclusion::Failure,
        };
        let (title, message) =
            render::amendment_merge(active, asked.change.to.unwrap_or(active), decided.approvers());
        let texts = Texts {
            annotations: annotations(&brings.findings),
            merge: Some(MergeText { title, message }),
            ..check_texts(text)
        };
        let check = shown(asked.change, conclusion, &texts);
        let pull = seeing.pull().number;
        let logins = logins(asked.old);
        if seeing.check() != Some(&check) {
            let put = Effect::PutCheck(check);
            self.publishing()
                .await?
                .apply(pull, &put, &texts, &logins)
                .await?;
        }
        let Some(effect) = merge else { return Ok(()) };
        tracing::info!(%pull, "merging a change of the rules through the open gate");
        let applied = self
            .publishing()
            .await?
            .apply(pull, &effect, &texts, &logins)
            .await?;
        match applied {
            Applied::Merged { .. } | Applied::HeadMoved => {
                self.look_again([pull]).await?;
            }
            Applied::NotMergeable { because } => {
                tracing::warn!(%pull, %because, "the gate is open; GitHub does not merge");
            }
            Applied::Done | Applied::LeftOut(_) => {}
        }
        Ok(())
    }

    /// Shows what is so whatever anybody approves.
    pub(super) async fn show_fact(
        &self,
        pull: &PullBrief,
        change: &Change,
        title: &str,
        says: &str,
    ) -> Result<(), NotNow> {
        let texts = Texts {
            check_title: title.to_owned(),
            check_summary: says.to_owned(),
            ..Texts::default()
        };
        let check = shown(change, Conclusion::Success, &texts);
        if self.github().check_on(pull.head).await?.as_ref() == Some(&check) {
            return Ok(());
        }
        let put = Effect::PutCheck(check);
        self.publishing()
            .await?
            .apply(pull.number, &put, &texts, &BTreeMap::new())
            .await?;
        Ok(())
    }
}

fn check_texts(text: render::CheckText) -> Texts {
    Texts {
        check_title: text.title,
        check_summary: text.summary,
        ..Texts::default()
    }
}

fn shown(change: &Change, conclusion: Conclusion, texts: &Texts) -> CheckShown {
    let says = format!("{}\n{}", texts.check_title, texts.check_summary);
    CheckShown {
        head: change.head,
        conclusion,
        says: Digest::of(says.as_bytes()),
    }
}

/// The findings as GitHub shows them beside the lines; those beyond what it takes are counted in the last one.
fn annotations(findings: &[Finding]) -> Vec<Annotation> {
    let one = |finding: &Finding| {
        let line = finding.place().map_or(1, |place| place.line);
        let message = match finding.remedy() {
            Some(remedy) => format!("{}; {remedy}", finding.message()),
            None => finding.message().to_owned(),
        };
        let is_error = finding.severity() == Severity::Error;
        Annotation::at(format!("policies/{}", finding.file()), line, is_error, message)
    };
    let listed = findings.len().min(MOST_ANNOTATIONS);
    let mut all: Vec<Annotation> = findings.iter().take(listed).map(one).collect();
    let more = findings.len() - listed;
    if let (Some(last), 1..) = (all.last_mut(), more) {
        last.message = format!("{} (and {more} more; the check lists them)", last.message);
    }
    all
}
