// The fuzz target for disk images. The input is a list of changes to the image of a small, sound file system: what
// comes of it is checked, shown, and served, and must be refused or answered with errors, never crash. Nor may it be
// repaired in silence: what is refused stays as it is, what fsck finds it finds again after the image was served, and
// once the server has met the damage, it changes nothing any more. Layer: explore.
//
//     input   flags, then records of 8 bytes:  block 2 | offset 2 | value 4   (little-endian, taken modulo what there
//     is) flags   1: checksums are made right again, so that the change is seen by what lies behind them
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "nfs_server/base/check.hpp"
#include "nfs_server/disk/image_disk.hpp"
#include "nfs_server/explore/stack.hpp"
#include "nfs_server/explore/tree.hpp"
#include "nfs_server/fs/checksum.hpp"
#include "nfs_server/fs/format.hpp"
#include "nfs_server/fs/inode.hpp"
#include "nfs_server/image/dump.hpp"
#include "nfs_server/image/fsck.hpp"

namespace lockstep::server::explore {
namespace {

using disk::ImageDisk;

constexpr std::uint64_t disk_blocks = 640;
constexpr std::uint64_t log_blocks = 96;
constexpr std::size_t largest_file_read = 1 << 20;

// A tree with each kind of object, checkpointed, so that the blocks lie where they belong.
const ImageDisk& sound_image() {
    static const ImageDisk image = [] {
        ImageDisk disk(disk_blocks);
        check(journal::Journal::format(disk, {.log_blocks = log_blocks}).has_value(),
              "a disk in memory can be formatted");
        {
            auto journal = journal::Journal::open(disk, {.background = false});
            txn::TransactionManager transactions(**journal);
            check(fs::format(transactions, {.inode_count = 256, .seed = 1}, 0).has_value(), "a new log takes a format");
            check((*journal)->sync().has_value(), "a disk in memory does not fail");
        }
        const ManualClock clock;
        auto stack = std::move(*Stack::open(disk, clock));
        auto& client = stack->client();
        client.number_calls_from(1);
        const Handle root = stack->root();
        const Handle directory = client.must_mkdir(root, "directory");
        const auto make_room = [&] {
            check(stack->journal().checkpoint().has_value(), "a disk in memory does not fail");
        };
        for (int i = 0; i < 150; ++i) {
            client.must_create(directory, "a file with quite a long name, number " + std::to_string(i));
            if (i % 10 == 0) make_room();
        }
        const Handle large = client.must_create(root, "large");
        for (std::uint64_t offset = 0; offset < 400'000; offset += 20'000) {
            check(client.write(large, offset, std::string(20'000, 'x')).status == wire::NFS3_OK, "there is room");
            make_room();
        }
        client.write(client.must_create(root, "small"), 0, "inline");
        client.symlink(root, "link", "directory/target");
        client.write(client.must_create(root, "sparse"), std::uint64_t{1} << 40, "far away");
        check(stack->file_system().reap().has_value() && stack->journal().checkpoint().has_value(),
              "the image is made");
        return disk;
    }();
    return image;
}

// Makes the checksums of a block right that could be one of inodes, of a directory or of the superblock.
void mend(BlockBuffer& block) {
    std::byte* bytes = block.mutable_span().data();
    fs::Superblock superblock;
    std::memcpy(&superblock, bytes, sizeof superblock);
    if (superblock.magic == fs::superblock_magic) {
        superblock.checksum = fs::checksum_of(superblock);
        std::memcpy(bytes, &superblock, sizeof superblock);
        return;
    }
    fs::NodeHeader node;
    std::memcpy(&node, bytes, sizeof node);
    if (node.magic == fs::node_magic) {
        node.checksum = 0;
        std::memcpy(bytes, &node, sizeof node);
        node.checksum = fs::crc32c(block.span());
        std::memcpy(bytes, &node, sizeof node);
        return;
    }
    for (std::size_t at = 0; at < fs::block_bytes; at += fs::inode_bytes) {
        fs::InodeRecord inode;
        std::memcpy(&inode, bytes + at, sizeof inode);
        if (inode.checksum == 0 || inode.type > fs::FileType::fifo) continue;
        inode.checksum = fs::checksum_of(inode);
        std::memcpy(bytes + at, &inode, sizeof inode);
    }
}

ImageDisk damaged(const std::uint8_t* data, std::size_t size) {
    ImageDisk image = sound_image();
    const bool mends = size > 0 && (data[0] & 1) != 0;
    for (std::size_t at = 1; at + 8 <= size; at += 8) {
        std::uint16_t block = 0, offset = 0;
        std::memcpy(&block, data + at, 2);
        std::memcpy(&offset, data + at + 2, 2);
        BlockBuffer content = image.block(block % disk_blocks);
        content.make_unique();
        std::memcpy(content.mutable_span().data() + offset % (fs::block_bytes - 4), data + at + 4, 4);
        if (mends) mend(content);
        image.put(block % disk_blocks, std::move(content));
    }
    return image;
}

// What clients would do. Whatever is answered is right, as long as something is.
void use(Stack& stack, std::uint32_t first_call) {
    auto& client = stack.client();
    client.number_calls_from(first_call);
    const Handle root = stack.root();
    const auto handle_of = [&](const char* name) {
        const auto found = client.lookup(root, name);
        return found.status == wire::NFS3_OK ? ops::test::to_handle(found.LOOKUP3res_u.resok.object) : root;
    };
    (void)observe(stack);
    const Handle directory = handle_of("directory");
    const Handle large = handle_of("large");
    client.readdirplus(directory);
    client.read(large, 100'000, largest_file_read);
    client.write(large, 50'000, std::string(9'000, 'y'));
    client.setattr(large, ops::test::with_size(10));
    client.setattr(handle_of("sparse"), ops::test::with_size(5));
    client.write(handle_of("small"), 100, std::string(5'000, 'z'));
    for (int i = 0; i < 40; ++i) client.create(directory, "new " + std::to_string(i));
    client.rename(root, "small", directory, "moved");
    client.link(large, directory, "linked");
    for (int i = 0; i < 20; ++i) client.remove(directory, "a file with quite a long name, number " + std::to_string(i));
    client.remove(root, "large");
    client.rmdir(root, "directory");
    (void)stack.file_system().reap();
    (void)stack.journal().checkpoint();
}

bool are_equal(const ImageDisk& one, const ImageDisk& other) {
    for (std::uint64_t block = 0; block < disk_blocks; ++block) {
        const auto a = one.block(block), b = other.block(block);
        if (std::memcmp(a.span().data(), b.span().data(), block_size_bytes) != 0) return false;
    }
    return true;
}

std::vector<std::string> problems_of(ImageDisk image) {
    return image::fsck(image, 1000).problems;
}

// Opened and closed again, an image has the problems that it had.
void must_stay_damaged(const ImageDisk& image) {
    const ManualClock clock;
    ImageDisk served = image;
    const bool opened = Stack::open(served, clock).has_value();
    if (!opened) check(are_equal(served, image), "an image that is refused is left as it is");
    check(problems_of(served) == problems_of(image), "serving an image repairs nothing");
}

// Once damage was met, what is asked for changes nothing: neither the disk nor what will be written to it.
void must_be_read_only(Stack& stack, ImageDisk& disk) {
    check(stack.journal().checkpoint().has_value(), "a disk in memory does not fail");
    const ImageDisk before = disk;
    stack.client().number_calls_from(2000);
    const auto status = stack.client().create(stack.root(), "another", wire::GUARDED).status;
    check(status != wire::NFS3_OK, "a damaged file system takes no new file");
    use(stack, 3000);
    check(are_equal(disk, before), "a file system that was found to be damaged does not change any more");
}

}  // namespace
}  // namespace lockstep::server::explore

// libFuzzer's entry where there is one, else what image_fuzz_test calls.
#ifndef LOCKSTEP_FUZZ_ENTRY
#define LOCKSTEP_FUZZ_ENTRY lockstep_image_fuzz
#endif

extern "C" int LOCKSTEP_FUZZ_ENTRY(const std::uint8_t* data, std::size_t size) {
    using namespace lockstep::server;
    disk::ImageDisk image = explore::damaged(data, size);
    disk::ImageDisk dumped = image;
    (void)image::to_text(image::dump(dumped));
    explore::must_stay_damaged(image);
    const ManualClock clock;
    const auto stack = explore::Stack::open(image, clock);
    if (!stack) return 0;
    explore::use(**stack, 1000);
    if ((*stack)->file_system().is_damaged()) explore::must_be_read_only(**stack, image);
    return 0;
}
