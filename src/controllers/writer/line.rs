//! The audit line of an effect.

use jiff::Timestamp;

use super::Writer;
use crate::controllers::audit::AuditLine;
use crate::controllers::desk::Job;
use crate::decide::effect::{AccountAction, Intent, Outcome};

impl Writer {
    pub(super) fn audit(&self, employee: &str, job: &Job, outcome: &Outcome) {
        let answer = match outcome {
            Outcome::Done { invited: true, .. } => {
                "done, and read back: an invitation that waits for the person".to_owned()
            }
            Outcome::Done { .. } => "done, and read back".to_owned(),
            Outcome::Retrying(why) => format!("not done, will be tried again: {why}"),
            Outcome::Refused(why) => format!("refused: {why}"),
            Outcome::NoSeat(why) => format!("no seat is free: {why}"),
            Outcome::Unknown(why) => format!("not known: {why}"),
        };
        let (effect, object, account, operation) = match &job.intent {
            Intent::Account {
                action,
                id,
                operation_id,
                ..
            } => {
                let effect = match action {
                    AccountAction::Create => "createAccount",
                    AccountAction::Update => "updateAccount",
                    AccountAction::Activate => "activateAccount",
                    AccountAction::Deactivate => "deactivateAccount",
                    AccountAction::Delete => "deleteAccount",
                };
                (effect, String::new(), id, operation_id)
            }
            Intent::Membership {
                key,
                hold,
                account_id,
                operation_id,
                ..
            } => {
                let effect = match hold {
                    true if job.note.updates => "update",
                    true => "grant",
                    false => "revoke",
                };
                (
                    effect,
                    format!("{}/{}", key.object.kind, key.object.id),
                    account_id,
                    operation_id,
                )
            }
        };
        let account = match outcome {
            Outcome::Done { account_id, .. } if !account_id.is_empty() => account_id,
            _ => account,
        };
        self.context.audit.write(&AuditLine {
            time: Timestamp::now(),
            namespace: &self.desk.namespace,
            employee,
            target: &self.desk.target,
            effect,
            object: &object,
            entitlement: &job.note.entitlement,
            account,
            cause: job.note.cause,
            grantors: &job.note.grantors,
            operation,
            answer: &answer,
        });
    }
}
