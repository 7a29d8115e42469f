//! A merge queue's group: every proposal in it is looked at, and the check stands on the group's head. INVARIANT i14, i27.

use super::{Bot, NotNow, execute::Fit};
use crate::{
    domain::{
        canonical::digest_of,
        case::{Case, Life},
        gate::{Verdict, decide},
        group::{GroupFault, Member, judge},
        ids::Sha,
        publish::{CheckShown, Conclusion},
    },
    github::{Hint, Texts},
};

impl Bot {
    /// A merge queue asks about groups. It does not ask again: what fails here fails the group, and it is queued anew.
    pub(super) async fn look_at_groups(&self, hints: &[Hint]) -> Result<(), NotNow> {
        for hint in hints {
            if let Hint::MergeGroup { base, head, .. } = hint {
                self.look_at_group(*base, *head).await?;
            }
        }
        Ok(())
    }

    async fn look_at_group(&self, base: Sha, head: Sha) -> Result<(), NotNow> {
        let policy = self.policy_known().await?;
        let commits = self.github().group_commits(base, head).await?;
        let cases: Vec<Case> = self.ledger().read(|book| {
            let open = book
                .cases()
                .map(|(_, case)| case)
                .filter(|case| case.life == Life::Open);
            let inside = open.filter(|case| {
                let opened = case.opened.as_ref();
                opened.is_some_and(|opened| commits.iter().any(|commit| commit.sha == opened.head))
            });
            inside.cloned().collect()
        });
        let mut members = Vec::new();
        for case in cases {
            let Some(opened) = &case.opened else { continue };
            let seeing = Box::pin(self.see_case(&case, &policy, opened.pull)).await?;
            let verdict = decide(&case, seeing.observation(), &policy).verdict();
            members.push(Member {
                pull: opened.pull,
                head: opened.head,
                open: verdict == Verdict::Open && Box::pin(self.preflight(&case, &policy)).await? == Fit::Now,
            });
        }
        self.check_group(head, members.len(), judge(base, head, &commits, &members))
            .await
    }

    async fn check_group(&self, head: Sha, of: usize, judged: Result<(), GroupFault>) -> Result<(), NotNow> {
        let (conclusion, title, summary) = match &judged {
            Ok(()) => (
                Conclusion::Success,
                "Approved".to_owned(),
                format!("The group brings {of} approved proposals and nothing else."),
            ),
            Err(fault) => (
                Conclusion::Failure,
                "Blocked: merge group".to_owned(),
                format!("The group does not pass: {fault}."),
            ),
        };
        let check = CheckShown {
            head,
            conclusion,
            says: digest_of(&(&title, &summary)).map_err(NotNow::internal)?,
        };
        let texts = Texts {
            check_title: title,
            check_summary: summary,
            ..Texts::default()
        };
        Ok(self.publishing().await?.check_group(&check, &texts).await?)
    }
}
