//! HR's side of the story, line by line: what is typed here changes the simulated company.

use std::io::{BufRead as _, IsTerminal as _};

use rollcall_support::merge::{NewHire, Person};
use tokio::sync::mpsc;

use crate::people::today;
use crate::stage::Stage;
use crate::story::Story;
use crate::{Error, Result};

const HELP: &str = "\
Here you are HR:
  hire Grace Hopper Platform       somebody new, from today
  transfer grace.hopper@example.com EMEA Sales
  title grace.hopper@example.com Head of Sales
  leave grace.hopper@example.com   the last day was yesterday
  people Platform                  who is in a department
  departments
  break empty | failed | 401       bad syncs, until: mend
  quit";

/// Does what is typed until it ends, or forever where nobody can type.
pub async fn listen(stage: &Stage, story: &Story<'_>) -> Result<()> {
    if !std::io::stdin().is_terminal() {
        return std::future::pending().await;
    }
    println!("\n{HELP}\n");
    let (sender, mut lines) = mpsc::unbounded_channel();
    // A thread of its own, which nobody waits for: a read of a terminal cannot be given up.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(std::result::Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = lines.recv().await {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            ["quit" | "exit"] => return Ok(()),
            words => match act(stage, words) {
                Ok(said) => println!("{said}"),
                Err(error) => println!("{error}"),
            },
        }
        if story.operator().is_some_and(|operator| !operator.is_running()) {
            return Err("the operator has ended".into());
        }
    }
    Ok(())
}

fn act(stage: &Stage, words: &[&str]) -> Result<String> {
    let merge = &stage.merge;
    match words {
        ["hire", first, last, department @ ..] => {
            let department = self::department(stage, department)?;
            let id = merge.hire(NewHire {
                department: department.clone(),
                start_date: Some(today()?),
                ..NewHire::named(first, last)
            });
            merge.activate(&id);
            let email = merge.person(&id).work_email.unwrap_or_default();
            Ok(format!("{email} starts in {department} today"))
        }
        ["transfer", email, department @ ..] => {
            let (person, department) = (person(stage, email)?, self::department(stage, department)?);
            merge.transfer(&person.id, &department);
            Ok(format!("{email} is in {department} now"))
        }
        ["title", email, title @ ..] if !title.is_empty() => {
            let title = title.join(" ");
            merge.promote(&person(stage, email)?.id, &title);
            Ok(format!("{email} is {title} now"))
        }
        ["leave", email] => {
            merge.leave(&person(stage, email)?.id, today()?.yesterday()?);
            Ok(format!("{email} has left"))
        }
        ["people", department @ ..] => {
            let people = merge.in_department(&self::department(stage, department)?);
            let line = |person: &Person| {
                let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
                format!("  {:40} {}", text(&person.work_email), text(&person.title))
            };
            Ok(people.iter().map(line).collect::<Vec<_>>().join("\n"))
        }
        ["departments"] => Ok(departments(stage).join(", ")),
        ["break", "empty"] => {
            merge.faults().empty_results("/employees");
            Ok("Merge lists nobody; mend ends it".to_owned())
        }
        ["break", "failed"] => {
            merge.faults().set_sync_status("Employee", "FAILED");
            Ok("Merge's own sync fails; mend ends it".to_owned())
        }
        ["break", "401"] => {
            merge.faults().fail_always(401, "");
            Ok("Merge refuses the key; mend ends it".to_owned())
        }
        ["mend"] => {
            merge.faults().clear();
            Ok("Merge is well again".to_owned())
        }
        _ => Ok(HELP.to_owned()),
    }
}

fn person(stage: &Stage, email: &str) -> Result<Person> {
    let found = stage.merge.try_find(email);
    found.ok_or_else(|| Error::from(format!("nobody has the address {email}")))
}

fn departments(stage: &Stage) -> Vec<String> {
    let groups = stage.merge.groups().into_iter();
    groups
        .filter(|group| group.group_type.as_deref() == Some("DEPARTMENT"))
        .filter_map(|group| group.name)
        .collect()
}

fn department(stage: &Stage, words: &[&str]) -> Result<String> {
    let wanted = words.join(" ");
    let known = departments(stage);
    let found = known.iter().find(|name| name.eq_ignore_ascii_case(&wanted));
    found
        .cloned()
        .ok_or_else(|| format!("there is no department {wanted:?}, but: {}", known.join(", ")).into())
}
