//! The story, step by step. Each step changes something where a person would change it, waits for what must follow, and
//! reads it back at the targets themselves.

use std::time::Instant;

use kube::ResourceExt;
use rollcall::api::ChangeSet;
use rollcall::api::change_set::ChangeSetState;
use rollcall::api::conditions::{CHANGES_HELD, SOURCE_TRUSTED};
use rollcall::api::employee::Cause;
use rollcall_support::merge::{NewHire, Person};
use rollcall_support::operator::Operator;

use crate::people::{Rules, Staff, today};
use crate::stage::{Held, Stage, until};
use crate::style::{Style, pause, say};
use crate::{Result, seconds};

const APPLY: &str = r#"sed "s,http://merge.example/api/hris/v1,$MERGE_URL,; s,http://directory.example/v2,$DIRECTORY_URL," examples/quickstart/*.yaml | kubectl apply -f -"#;

pub struct Story<'a> {
    stage: &'a Stage,
    style: Style,
    rules: Rules,
    operator: Option<Operator>,
    operated: Option<Instant>,
    granted: Option<Instant>,
}

impl<'a> Story<'a> {
    pub fn new(stage: &'a Stage) -> Self {
        Self {
            stage,
            style: stage.style,
            rules: Rules::AS_APPLIED,
            operator: None,
            operated: None,
            granted: None,
        }
    }

    pub fn operator(&self) -> Option<&Operator> {
        self.operator.as_ref()
    }

    pub async fn tell(&mut self) -> Result<()> {
        self.install().await?;
        self.operated = Some(Instant::now());
        self.operator = Some(self.stage.start_operator().await?);
        say("Rollcall runs as its own ServiceAccount, with the rights of deploy/operator.yaml and no others.");
        self.mirror_and_first_grants().await?;
        let (ada, email) = self.hire().await?;
        self.transfer(&ada, &email).await?;
        self.plan_and_enforce().await?;
        self.guard().await?;
        self.leaver().await?;
        self.bad_syncs().await
    }

    fn running(&self) -> Result<&Operator> {
        self.operator
            .as_ref()
            .ok_or_else(|| "the operator was not started".into())
    }

    /// Waits until everybody holds exactly what they should, and nobody anything else.
    async fn settled(&self, what: &str) -> Result<Held> {
        let due = self.stage.due(self.rules)?;
        until(self.running()?, what, async || {
            let held = self.stage.held().await?;
            Ok(held.is(&due).map(|()| held))
        })
        .await
    }

    async fn install(&self) -> Result<()> {
        let (style, shell, stage) = (self.style, &self.stage.shell, self.stage);
        style.heading("0. What runs where");
        style.output(&format!(
            "Kubernetes  {}  etcd, API server, controllers",
            stage.plane.url()
        ));
        style.output(&format!(
            "Merge       {}  simulated, {} people",
            stage.merge.base_url(),
            stage.merge.people().len()
        ));
        style.output(&format!(
            "directory   {}  scim2-server, four empty groups",
            stage.directory.base_url()
        ));
        pause();
        say("Install the kinds and what the operator may do; then a tenant, its credentials, and what it wants:");
        shell
            .show(
                "kubectl apply --server-side -f crds/ -f deploy/operator.yaml -f deploy/admission.yaml",
                2,
            )
            .await?;
        shell
            .read("kubectl wait --for=condition=Established --timeout=30s -f crds/")
            .await?;
        shell.show("kubectl apply -f deploy/tenant.yaml", 2).await?;
        shell
            .show(
                "kubectl create secret generic merge --from-literal=api-key=$MERGE_API_KEY \
                 --from-literal=account-token=$MERGE_ACCOUNT_TOKEN",
                1,
            )
            .await?;
        shell
            .show(
                "kubectl create secret generic directory --from-literal=token=$DIRECTORY_TOKEN",
                1,
            )
            .await?;
        shell.show(APPLY, 3).await?;
        style.command("rollcall run");
        Ok(())
    }

    async fn mirror_and_first_grants(&mut self) -> Result<()> {
        let (style, stage) = (self.style, self.stage);
        style.heading("1. The mirror: everybody in the HR system is an Employee");
        let people = stage.merge.people().len();
        let operator = self.running()?;
        let mirrored = until(operator, "everybody is mirrored", async || {
            let count = stage.employees().await?.len();
            Ok(if count == people {
                Ok(count)
            } else {
                Err(format!("{count} of {people}"))
            })
        });
        let granted = until(operator, "somebody is a member of a group", async || {
            let granted = stage.somebody_is_member().await?;
            Ok(granted
                .then(Instant::now)
                .ok_or_else(|| "every group is empty".to_owned()))
        });
        let (_, granted) = tokio::try_join!(mirrored, granted)?;
        stage.shell.show("kubectl get hris", 3).await?;
        stage.shell.show("kubectl get employees | head -n 5", 5).await?;
        say("Facts flow one way, from the HR system to Employee.spec; nobody but Rollcall can write there.");
        style.checked(&format!("{people} people in the HR system, {people} Employees."));
        self.granted = Some(granted);

        style.heading("2. First grants");
        let held = self.settled("everybody holds what the policies give").await?;
        self.counted(&held).await?;
        let accounts = stage.directory.users().await?.len();
        stage.shell.show("kubectl get provpol,ent,tsys", 20).await?;
        say(
            "Policies say who gets what; what is held was read back at the directory, person by person. Who has left, and \
             who has not started yet, holds nothing.",
        );
        style.checked(&format!("at the directory {accounts} seats; {}.", held.figures()));
        let staff = Staff::of(&stage.merge)?;
        let engineer = staff.leaver().and_then(|somebody| somebody.login.clone());
        let engineer = engineer.ok_or("nobody works in Platform")?;
        self.can_list_pods(&engineer, true).await?;
        say("The cluster's own RBAC is a target like any other: the people of Platform may look, and change nothing.");
        Ok(())
    }

    /// Waits until the policies' own figures are those that were read back at the targets.
    async fn counted(&self, held: &Held) -> Result<()> {
        let figures = [
            ("everyone", held.group("Everyone").len()),
            ("engineering", held.group("Engineering").len()),
            ("sales", held.group("Sales").len()),
            ("managers", held.group("Managers").len()),
            ("platform", held.viewers.len()),
        ];
        until(self.running()?, "the policies' figures", async || {
            for (name, count) in figures {
                let granted = self.stage.policy(name).await?.status.unwrap_or_default().granted;
                if granted as usize != count {
                    return Ok(Err(format!("{name} says {granted}, the targets {count}")));
                }
            }
            Ok(Ok(()))
        })
        .await
    }

    /// Fails unless the record of what a person lost last at a target names this cause.
    async fn lost_by(&self, email: &str, entitlement: &str, cause: Cause) -> Result<()> {
        let employees = self.stage.employees().await?;
        let employee = employees
            .into_iter()
            .find(|employee| employee.spec.work_email.as_deref() == Some(email));
        let records = employee
            .and_then(|employee| employee.status)
            .unwrap_or_default()
            .entitlements;
        let record = records.iter().find(|record| record.entitlement == entitlement);
        if record.is_some_and(|record| record.cause == Some(cause)) {
            return Ok(());
        }
        Err(format!("{email} should have lost {entitlement} by {cause:?}, but the record says: {record:?}").into())
    }

    async fn can_list_pods(&self, who: &str, expected: bool) -> Result<()> {
        let said = self
            .stage
            .shell
            .ask(&format!("kubectl auth can-i list pods --as {who}"))
            .await?;
        if (said == "yes") == expected {
            return Ok(());
        }
        Err(format!("the API server lets {who} list pods: {said}").into())
    }

    async fn show_person(&self, email: &str) -> Result<()> {
        let line = format!("kubectl get emp --field-selector spec.workEmail={email}");
        self.stage.shell.show(&line, 2).await?;
        Ok(())
    }

    async fn hire(&mut self) -> Result<(Person, String)> {
        let (style, stage) = (self.style, self.stage);
        style.heading("3. Somebody is hired: Ada Lovelace, Platform, from today");
        let email = "ada.lovelace@example.com";
        let began = Instant::now();
        let id = stage.merge.hire(NewHire {
            department: "Platform".into(),
            job_title: "Platform Engineer".into(),
            work_email: Some(email.into()),
            start_date: Some(today()?),
            ..NewHire::named("Ada", "Lovelace")
        });
        stage.merge.activate(&id);
        let held = self.settled("the hire holds what the policies give").await?;
        let took = seconds(began.elapsed());
        self.show_person(email).await?;
        self.can_list_pods(email, true).await?;
        say(
            "A row in the HR system was enough: an account, the groups of her department, the cluster. Nobody was asked.",
        );
        style.checked(&format!(
            "she is a member at the directory, {took} after HR saved her; {}.",
            held.figures()
        ));
        Ok((stage.merge.person(&id), email.to_owned()))
    }

    async fn transfer(&mut self, ada: &Person, email: &str) -> Result<()> {
        let (style, stage) = (self.style, self.stage);
        style.heading("4. A transfer: from Platform to Sales");
        stage.merge.transfer(&ada.id, "Sales");
        let held = self.settled("the transfer swaps groups").await?;
        let line = format!(
            "kubectl get emp --field-selector spec.workEmail={email} -o jsonpath='{{range .items[0].status.entitlements[*]}}\
             {{.entitlement}} {{.state}} {{.cause}}{{\"\\n\"}}{{end}}'"
        );
        stage.shell.show(&line, 6).await?;
        self.can_list_pods(email, false).await?;
        self.lost_by(email, "engineering", Cause::AttributeChange).await?;
        say(
            "What the old department gave went, what the new one gives came, and what both give was never touched. It went \
             because of facts that changed in a sync that can be believed.",
        );
        style.checked(&format!("{}.", held.figures()));
        Ok(())
    }

    async fn plan_and_enforce(&mut self) -> Result<()> {
        let (style, stage) = (self.style, self.stage);
        style.heading("5. A policy: first Plan, then Enforce");
        let due = stage.due(Rules {
            managers: true,
            ..self.rules
        })?;
        let due = due.group("Managers").len();
        until(self.running()?, "the plan counts everybody", async || {
            let status = stage.policy("managers").await?.status.unwrap_or_default();
            let plan = status.plan.unwrap_or_default();
            let (would, names) = (plan.would_grant as usize, plan.names.len());
            Ok(if would == due && names == due.min(20) {
                Ok(())
            } else {
                Err(format!(
                    "{would} would gain something, {names} are named, {due} should be"
                ))
            })
        })
        .await?;
        stage.shell.show("kubectl get provpol managers -o wide", 2).await?;
        stage
            .shell
            .show(
                "kubectl get provpol managers -o jsonpath='{range .status.plan.names[*]}{@}{\"\\n\"}{end}' | head -n 3",
                3,
            )
            .await?;
        stage.held().await?.is(&stage.due(self.rules)?)?;
        say("In mode Plan a policy only says what it would do, and to whom.");
        style.checked(&format!("{due} people would gain it, and the group is still empty."));
        pause();
        stage
            .shell
            .show(
                r#"kubectl patch provpol managers --type merge -p '{"spec":{"mode":"Enforce"}}'"#,
                1,
            )
            .await?;
        self.rules.managers = true;
        let held = self.settled("the policy's grants are made").await?;
        say("In mode Enforce it does just that.");
        style.checked(&format!("{}.", held.figures()));
        Ok(())
    }

    async fn guard(&mut self) -> Result<()> {
        let (style, stage) = (self.style, self.stage);
        style.heading("6. A policy edit that would take too much: held, until somebody says so");
        let before = stage.held().await?;
        stage
            .shell
            .show(
                r#"kubectl patch provpol engineering --type merge -p '{"spec":{"selector":{"department":{"in":["Platform"]}}}}'"#,
                1,
            )
            .await?;
        let narrow = Rules {
            engineering: "Platform",
            ..self.rules
        };
        let after = stage.due(narrow)?;
        let losers = before
            .group("Engineering")
            .difference(after.group("Engineering"))
            .count();
        let set = until(self.running()?, "the losses are held", async || {
            let status = stage.target("directory").await?.status.unwrap_or_default();
            let says = status
                .conditions
                .iter()
                .any(|condition| condition.type_ == CHANGES_HELD && condition.status == "True");
            let people = status.held.map_or(0, |held| held.people as usize);
            let sets = stage.change_sets().await?;
            let open = |set: &&ChangeSet| {
                let status = set.status.as_ref();
                status.is_some_and(|status| status.state == ChangeSetState::Open && status.people as usize == losers)
            };
            Ok(match sets.iter().find(open) {
                Some(set) if says && people == losers => Ok(set.name_any()),
                _ => Err(format!("{people} people are held, {losers} should be")),
            })
        })
        .await?;
        stage.shell.show("kubectl get chgset", 2).await?;
        stage
            .shell
            .show(
                &format!("kubectl get chgset {set} -o jsonpath='{{.status.why}}' | fold -s -w 110"),
                5,
            )
            .await?;
        let now = stage.held().await?;
        now.is(&before)?;
        say(
            "So many losses at once are more often a mistake than a wish, and more than the budget allows. Nothing was taken: \
             undo the edit and all is as before, or let exactly these go:",
        );
        style.checked(&format!(
            "{losers} people would lose the group; {}, as before.",
            now.figures()
        ));
        stage
            .shell
            .show(
                &format!(
                    "kubectl patch chgset {set} --type merge -p \"{{\\\"spec\\\":{{\\\"decision\\\":\\\"Approve\\\",\\\"digest\\\":\\\"$(kubectl \
                     get chgset {set} -o jsonpath='{{.status.digest}}')\\\"}}}}\""
                ),
                1,
            )
            .await?;
        self.rules = narrow;
        let held = self.settled("the held losses go").await?;
        say("The digest is that of what was shown: what was called for later would have waited in another ChangeSet.");
        style.checked(&format!("{}.", held.figures()));
        Ok(())
    }

    async fn leaver(&mut self) -> Result<()> {
        let (style, stage) = (self.style, self.stage);
        let staff = Staff::of(&stage.merge)?;
        let leaver = staff.leaver().ok_or("nobody works in Platform")?;
        let email = leaver.login.clone().unwrap_or_default();
        let name = leaver.person.name.clone().unwrap_or_default();
        style.heading(&format!("7. Somebody leaves: {name}"));
        self.show_person(&email).await?;
        let began = Instant::now();
        stage.merge.deactivate(&leaver.person.id);
        let held = self.settled("the leaver holds nothing").await?;
        until(self.running()?, "the leaver's account is deactivated", async || {
            let user = stage.directory.user(&email).await?.ok_or("the account was deleted")?;
            Ok(if user["active"] == false {
                Ok(())
            } else {
                Err("it is active".to_owned())
            })
        })
        .await?;
        let took = seconds(began.elapsed());
        self.show_person(&email).await?;
        self.can_list_pods(&email, false).await?;
        self.lost_by(&email, "everyone", Cause::Termination).await?;
        let audit = "grep deactivateAccount $AUDIT_LOG | tail -n 1 | fold -w 110";
        stage.shell.show(audit, 5).await?;
        say(
            "An exit that the HR system states takes everything at once: no budget holds it up. The account is kept, \
             locked; every effect left a line in the audit log.",
        );
        style.checked(&format!(
            "the account is inactive, {took} after HR saved the exit; {}.",
            held.figures()
        ));
        Ok(())
    }

    async fn bad_syncs(&mut self) -> Result<()> {
        let (style, stage) = (self.style, self.stage);
        style.heading("8. Bad syncs take nothing");
        let before = stage.held().await?;
        let writes = stage.directory_writes();
        say("Merge answers with an empty list of employees, and status 200:");
        stage.merge.faults().empty_results("/employees");
        self.distrusted("Empty").await?;
        stage.merge.faults().clear();
        self.trusted().await?;
        say("Merge says that its own sync with the HR system has failed:");
        stage.merge.faults().set_sync_status("Employee", "FAILED");
        self.distrusted("SyncFailed").await?;
        stage.merge.faults().clear();
        self.trusted().await?;
        let after = stage.held().await?;
        after.is(&before)?;
        let written = stage.directory_writes() - writes;
        if written > 0 {
            return Err(format!("{written} changes were sent to the directory during bad syncs").into());
        }
        say(
            "Absence is no evidence: who is missing from a read has not left, and a read that is in doubt is not used.",
        );
        style.checked(&format!(
            "before and after: {}; no change was sent to the directory.",
            after.figures()
        ));
        Ok(())
    }

    /// Waits for a sync that is not believed, for this reason, and for one more read after it.
    async fn distrusted(&self, reason: &str) -> Result<()> {
        let stage = self.stage;
        self.source(false, reason).await?;
        let seen = stage.merge.request_count();
        until(self.running()?, "the operator goes on asking", async || {
            Ok(if stage.merge.request_count() > seen {
                Ok(())
            } else {
                Err("no further request".to_owned())
            })
        })
        .await?;
        stage
            .shell
            .show(
                "kubectl get hris hr -o jsonpath='{.status.conditions[?(@.type==\"SourceTrusted\")].message}' | fold -s -w 110",
                4,
            )
            .await?;
        Ok(())
    }

    async fn trusted(&self) -> Result<()> {
        self.source(true, "AsExpected").await
    }

    async fn source(&self, trusted: bool, reason: &str) -> Result<()> {
        let wanted = if trusted { "True" } else { "False" };
        until(
            self.running()?,
            &format!("SourceTrusted is {wanted}, {reason}"),
            async || {
                let status = self.stage.connection().await?.status.unwrap_or_default();
                let found = status
                    .conditions
                    .into_iter()
                    .find(|condition| condition.type_ == SOURCE_TRUSTED);
                let found = found.map(|condition| (condition.status, condition.reason));
                Ok(match found {
                    Some((status, why)) if status == wanted && why == reason => Ok(()),
                    other => Err(format!("{other:?}")),
                })
            },
        )
        .await
    }

    /// How long it took.
    pub fn times(&self, began: Instant) -> String {
        let first = self.operated.zip(self.granted).map(|(operated, granted)| {
            format!(
                "first grant {} after the operator's start, {} after the quickstart's; ",
                seconds(granted - operated),
                seconds(granted - began)
            )
        });
        format!(
            "{}the whole story {}",
            first.unwrap_or_default(),
            seconds(began.elapsed())
        )
    }

    /// What to try next.
    pub fn invite(&self) {
        let (style, stage) = (self.style, self.stage);
        style.heading("All of it stays up until Ctrl-C. In another terminal:");
        if rollcall_support::process::find_program(std::path::Path::new("kubectl")).is_none() {
            style.command(&format!("export PATH=$PATH:{}", stage.plane.bin_dir().display()));
        }
        style.command(&format!("export KUBECONFIG={}", stage.kubeconfig.display()));
        style.command("kubectl get rollcall");
        style.command("kubectl get emp -o wide");
        style.command("kubectl describe tsys directory");
        style.command("kubectl get events --sort-by=.lastTimestamp");
        style.command("kubectl edit provpol sales            # another department; mode: Plan");
        style.command("kubectl delete provpol managers       # takes what it alone gave: held, as that is many");
        style.command("kubectl explain provpol.spec.selector");
        if let Some(operator) = &self.operator {
            style.command(&format!("tail -f {}", operator.log().display()));
        }
        let audit = stage.shell.environment.iter().find(|(name, _)| name == "AUDIT_LOG");
        if let Some((_, audit)) = audit {
            style.command(&format!("tail -f {audit}"));
        }
    }

    /// Ends the operator as a Pod is ended.
    pub async fn end(&self) -> Result<()> {
        if let Some(operator) = &self.operator {
            operator.terminate();
            operator.wait(std::time::Duration::from_secs(30)).await?;
        }
        Ok(())
    }
}
