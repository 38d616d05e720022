//! What Redis says that it has done.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    ops::Sub,
};

/// Counts since Redis started.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// Calls, by command; those that a script makes are among them.
    pub commands: BTreeMap<String, f64>,
    pub bytes_in: f64,
    pub bytes_out: f64,
    pub cpu_us: f64,
}

impl Work {
    pub fn calls(&self) -> f64 {
        self.commands.values().sum()
    }

    /// The same work, so many times.
    pub fn scaled(mut self, factor: f64) -> Self {
        self.commands.values_mut().for_each(|calls| *calls *= factor);
        Self {
            bytes_in: self.bytes_in * factor,
            bytes_out: self.bytes_out * factor,
            cpu_us: self.cpu_us * factor,
            ..self
        }
    }
}

impl Sub<&Self> for Work {
    type Output = Self;

    fn sub(mut self, before: &Self) -> Self {
        for (name, calls) in &before.commands {
            *self.commands.entry(name.clone()).or_default() -= calls;
        }
        self.commands.retain(|_, calls| calls.abs() > 1e-9);
        Self {
            bytes_in: self.bytes_in - before.bytes_in,
            bytes_out: self.bytes_out - before.bytes_out,
            cpu_us: self.cpu_us - before.cpu_us,
            ..self
        }
    }
}

/// A connection that asks and does nothing else. What its questions cost is left out.
pub struct RedisInfo {
    stream: TcpStream,
    /// What one question costs.
    question: Work,
    asked: f64,
}

impl RedisInfo {
    pub fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("Redis");
        let mut info = Self { stream, question: Work::default(), asked: 0.0 };
        let first = info.work();
        info.question = info.work() - &first;
        info.asked = 0.0;
        info
    }

    pub fn work(&mut self) -> Work {
        let mut work = Work::default();
        let (cpu, stats, commands) = (self.ask("cpu"), self.ask("stats"), self.ask("commandstats"));
        for line in [cpu, stats, commands].iter().flat_map(|text| text.lines()) {
            let Some((name, value)) = line.split_once(':') else { continue };
            match name {
                "total_net_input_bytes" => work.bytes_in = number(value),
                "total_net_output_bytes" => work.bytes_out = number(value),
                "used_cpu_user" | "used_cpu_sys" => work.cpu_us += number(value) * 1e6,
                "cmdstat_info" => {}
                _ => {
                    if let Some(command) = name.strip_prefix("cmdstat_") {
                        let calls = value.strip_prefix("calls=").and_then(|rest| rest.split(',').next());
                        work.commands.insert(command.to_owned(), calls.map_or(0.0, number));
                    }
                }
            }
        }
        self.asked += 1.0;
        work - &self.question.clone().scaled(self.asked)
    }

    fn ask(&mut self, section: &str) -> String {
        self.stream.write_all(format!("INFO {section}\r\n").as_bytes()).expect("sent");
        let mut answer = Vec::new();
        let mut chunk = [0; 8192];
        loop {
            let read = self.stream.read(&mut chunk).expect("an answer");
            assert!(read > 0, "Redis closed");
            answer.extend_from_slice(&chunk[..read]);
            let Some(head) = answer.windows(2).position(|pair| pair == b"\r\n") else { continue };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the length of a short text")]
            let end = head + 2 + number(&String::from_utf8_lossy(&answer[1..head])) as usize;
            if answer.len() >= end + 2 {
                return String::from_utf8_lossy(&answer[head + 2..end]).into_owned();
            }
        }
    }
}

fn number(text: &str) -> f64 {
    text.trim().parse().expect("a number")
}
