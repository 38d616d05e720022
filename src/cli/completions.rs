//! `sluicegate completions SHELL`.

use clap::CommandFactory;

use super::{
    args::{Arguments, CompletionsArguments, Shell},
    run::print,
};

pub(super) fn run(arguments: &CompletionsArguments) -> u8 {
    print(&script(arguments.shell))
}

fn script(shell: Shell) -> Vec<u8> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Zsh => clap_complete::Shell::Zsh,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "sluicegate", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What bash offers after `words`, of which the last is the one being typed.
    fn completed_by_bash(words: &[&str]) -> Vec<String> {
        let mut asked = script(Shell::Bash);
        asked.extend_from_slice(
            b"\n_sluicegate sluicegate \"${@: -1}\" \"${@: -2:1}\"; printf '%s\\n' \"${COMPREPLY[@]}\"\n",
        );
        let text = String::from_utf8(asked).unwrap();
        let set = format!("COMP_WORDS=(\"$@\"); COMP_CWORD={}\n{text}", words.len() - 1);
        let output = Command::new("bash").args(["-c", &set, "bash"]).args(words).output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn bash_completes_commands_flags_and_values() {
        assert_eq!(completed_by_bash(&["sluicegate", "serv"]), ["serve"]);
        assert_eq!(completed_by_bash(&["sluicegate", "serve", "--django-"]), ["--django-json"]);
        assert_eq!(completed_by_bash(&["sluicegate", "completions", "f"]), ["fish"]);
        let commands = completed_by_bash(&["sluicegate", ""]);
        for command in Arguments::command().get_subcommands() {
            assert!(commands.iter().any(|offered| offered == command.get_name()), "{commands:?}");
        }
    }

    #[test]
    fn every_shell_is_told_every_command() {
        for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
            let script = String::from_utf8(script(shell)).unwrap();
            for command in Arguments::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell:?}: {}", command.get_name());
            }
        }
    }
}
