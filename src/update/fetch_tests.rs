use super::*;
use crate::failure::{Code, ConnectError, TcpFailure};
use crate::label::Label;
use crate::port::update::SlotError;
use crate::update::tests::world::{Answer, BLOCKS, Net};
use std::format;
use std::string::String;
use std::vec::Vec;

fn image(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 37 % 253) as u8).collect()
}

fn job(image: &[u8]) -> Job {
    Job {
        addresses: [
            Label::new("http://files.example:8080/a").unwrap(),
            Label::EMPTY,
        ],
        size: image.len() as u32,
        digest: Some(Sha256::digest(image).into()),
        offset: 0,
        rate: None,
        patience: 4,
    }
}

fn net(image: &[u8]) -> Net {
    let mut net = Net::default();
    net.files.insert("/a".into(), image.to_vec());
    net
}

#[test]
fn a_file_of_any_length_is_in_flash_as_it_is_on_the_server_whatever_the_buffer_and_the_write_block()
{
    for length in [1, 7, 8, 511, 512, 513, 1024, 5000, 26624] {
        for (buffer, write_block) in [(1024, 1), (1024, 8), (1100, 32), (4096, 512)] {
            let image = image(length);
            let mut net = net(&image);
            net.write_block = write_block;
            assert_eq!(net.fetch(&job(&image), buffer), Ok(length as u32));
            assert_eq!(net.flash[..length], image);
            assert_eq!(net.requests, ["/a 0"]);
        }
    }
}

#[test]
fn an_address_of_https_is_passed_over_at_once_without_tls() {
    let image = image(100);
    let mut job = job(&image);
    job.addresses[0] = Label::new("https://files.example:8080/a").unwrap();
    let mut net = net(&image);
    assert_eq!(net.fetch(&job, 1024), Ok(100));
    net.requests.clear();
    net.without_tls = true;
    let before = net.now;
    assert_eq!(net.fetch(&job, 1024), Err(FetchFailure::NoTls));
    assert_eq!((net.now, net.requests.len()), (before, 0));
    job.addresses[1] = Label::new("http://files.example:8080/a").unwrap();
    assert_eq!(net.fetch(&job, 1024), Ok(100));
    assert_eq!(net.requests, ["/a 0"]);
}

#[test]
fn a_block_is_erased_when_the_download_reaches_it_and_not_before() {
    let image = image(3000);
    let mut net = net(&image);
    net.fetch(&job(&image), 1024).unwrap();
    assert_eq!(net.erased, [(0, 1024), (1024, 1024), (2048, 2048)]);
}

#[test]
fn a_download_that_is_cut_at_any_byte_goes_on_there() {
    let image = image(2000);
    for cut in (0..2000).step_by(13) {
        let mut net = net(&image);
        net.answers.extend([Answer::Cut(cut), Answer::Cut(5)]);
        assert_eq!(net.fetch(&job(&image), 1024), Ok(2000));
        assert_eq!(net.flash[..2000], image);
        assert_eq!(net.requests[..2], ["/a 0".into(), format!("/a {cut}")]);
    }
}

#[test]
fn a_download_that_was_stopped_anywhere_goes_on_from_the_erase_block_that_it_was_in() {
    let image = image(12_000);
    let mut net = net(&image);
    for stop in (1..12_000).step_by(700) {
        net.stop_at = Some(stop);
        net.requests.clear();
        assert_eq!(net.fetch(&job(&image), 1024), Err(FetchFailure::Stopped));
        let written = *net.progress.last().unwrap();
        // Power was cut: what was being written is garbage.
        net.flash[written as usize..].fill(0x5a);
        net.stop_at = None;
        let resumed = Job {
            offset: written,
            ..job(&image)
        };
        assert_eq!(net.fetch(&resumed, 1024), Ok(12_000));
        assert_eq!(net.flash[..12_000], image);
        let starts = BLOCKS.iter().scan(0, |start, length| {
            *start += length;
            Some(*start - length)
        });
        let start = starts.take_while(|start| *start <= written).last().unwrap();
        assert_eq!(net.requests[1], format!("/a {start}"));
    }
}

#[test]
fn a_server_without_ranges_is_read_from_the_start_without_writing_twice() {
    let image = image(3000);
    let mut net = net(&image);
    net.answers.extend([Answer::Cut(1500), Answer::Whole]);
    assert_eq!(net.fetch(&job(&image), 1024), Ok(3000));
    assert_eq!(net.flash[..3000], image);
}

#[test]
fn a_file_that_is_not_the_one_of_its_manifest_is_refused_with_its_reason() {
    let image = image(3000);
    let mut wrong = image.clone();
    wrong[2999] ^= 1;
    assert_eq!(
        net(&wrong).fetch(&job(&image), 1024),
        Err(FetchFailure::Digest)
    );
    for other in [&image[..2999], &[&image[..], b"x"].concat()] {
        assert_eq!(
            net(other).fetch(&job(&image), 1024),
            Err(FetchFailure::Size)
        );
    }
    let mut net = net(&image);
    net.bad_byte = Some(1234);
    assert_eq!(
        net.fetch(&job(&image), 1024),
        Err(FetchFailure::FlashDigest)
    );
    let capacity = net.flash.len();
    let large = self::image(capacity + 1);
    assert_eq!(net.fetch(&job(&large), 1024), Err(FetchFailure::TooLarge));
    assert_eq!(net.fetch(&job(&image), 1023), Err(FetchFailure::Buffer));
}

#[test]
fn a_server_that_fails_is_tried_again_after_growing_waits_and_then_given_up() {
    let image = image(100);
    let mut good = net(&image);
    good.answers.extend([
        Answer::Refuse,
        Answer::Close,
        Answer::Raw("HTTP/1.1 503 x\r\n\r\n".into()),
    ]);
    assert_eq!(good.fetch(&job(&image), 1024), Ok(100));
    assert_eq!(good.now, 1000 + 2000 + 4000);

    let mut bad = net(&image);
    bad.answers
        .extend([Answer::Close, Answer::Close, Answer::Close, Answer::Refuse]);
    let refused = FetchFailure::Connect(ConnectError::Tcp(TcpFailure::Refused, Code(0)));
    assert_eq!(bad.fetch(&job(&image), 1024), Err(refused));

    let mut busy = net(&image);
    busy.answers.push_back(Answer::Raw(
        "HTTP/1.1 429 x\r\nRetry-After: 77\r\n\r\n".into(),
    ));
    assert_eq!(busy.fetch(&job(&image), 1024), Ok(100));
    assert_eq!(busy.now, 77_000);
}

#[test]
fn the_next_address_is_tried_when_one_is_of_no_use() {
    let image = image(3000);
    let second = Job {
        addresses: [
            Label::new("http://files.example:8080/gone").unwrap(),
            Label::new("http://files.example:8080/a").unwrap(),
        ],
        ..job(&image)
    };
    let mut net = net(&image);
    assert_eq!(net.fetch(&second, 1024), Ok(3000));
    net.files.clear();
    assert_eq!(net.fetch(&second, 1024), Err(FetchFailure::Status(404)));
    let none = Job {
        addresses: [Label::new("ftp://files.example/a").unwrap(), Label::EMPTY],
        ..second
    };
    assert_eq!(net.fetch(&none, 1024), Err(FetchFailure::NoAddress));
}

#[test]
fn a_redirect_is_followed_on_the_same_server_and_a_few_times() {
    let image = image(300);
    let redirect = |to: &str| Answer::Raw(format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\n\r\n"));
    let mut good = net(&image);
    good.files.insert("/b".into(), image.clone());
    good.answers.push_back(redirect("/b"));
    assert_eq!(good.fetch(&job(&image), 1024), Ok(300));
    assert_eq!(good.requests, ["/a 0", "/b 0"]);
    for to in ["http://other.example/a", "https://files.example:8080/a", ""] {
        let mut bad = net(&image);
        bad.answers.push_back(redirect(to));
        assert_eq!(
            bad.fetch(&job(&image), 1024),
            Err(FetchFailure::Redirected),
            "{to}"
        );
    }
    let mut circle = net(&image);
    circle.answers.extend((0..4).map(|_| redirect("/a")));
    assert_eq!(
        circle.fetch(&job(&image), 1024),
        Err(FetchFailure::Redirected)
    );
}

#[test]
fn an_answer_that_this_device_does_not_read_is_refused() {
    let image = image(300);
    for text in [
        "SSH-2.0-x\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n12c\r\n",
        "HTTP/1.1 206 x\r\nContent-Range: bytes 5-299/300\r\n\r\n",
        "HTTP/1.1 206 x\r\nContent-Length: 300\r\n\r\n",
    ] {
        let mut bad = net(&image);
        bad.answers.push_back(Answer::Raw(text.into()));
        assert_eq!(
            bad.fetch(&job(&image), 1024),
            Err(FetchFailure::Malformed),
            "{text}"
        );
    }
    let mut other = net(&image);
    other.answers.push_back(Answer::Raw(
        "HTTP/1.1 206 x\r\nContent-Range: bytes 0-9/10\r\n\r\n".into(),
    ));
    assert_eq!(other.fetch(&job(&image), 1024), Err(FetchFailure::Size));
}

#[test]
fn the_rate_is_kept() {
    let image = image(20_000);
    let mut net = net(&image);
    let limited = Job {
        rate: Some(1000),
        ..job(&image)
    };
    assert_eq!(net.fetch(&limited, 1024), Ok(20_000));
    // The first read is free, and the last need not be waited for.
    assert!((19_000..=20_000).contains(&net.now), "{}", net.now);
}

#[test]
fn a_file_without_a_known_digest_is_taken_up_to_a_length() {
    let text: String = "x".repeat(700);
    let limited = Job {
        digest: None,
        size: 700,
        ..job(b"")
    };
    let mut net = net(text.as_bytes());
    assert_eq!(net.fetch(&limited, 1024), Ok(700));
    let smaller = Job {
        size: 699,
        ..limited
    };
    assert_eq!(net.fetch(&smaller, 1024), Err(FetchFailure::TooLarge));
}

#[test]
fn flash_that_fails_at_any_write_ends_the_download() {
    let image = image(5000);
    for writes in 0..9 {
        let mut net = net(&image);
        net.writes_left = Some(writes);
        assert_eq!(
            net.fetch(&job(&image), 1024),
            Err(FetchFailure::Slot(SlotError(Code(5))))
        );
    }
}
