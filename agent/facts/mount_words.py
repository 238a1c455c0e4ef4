"""The words of mount(8): filesystem types and options. Data, for telling a typo from a rarity."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TAGS = ("UUID", "LABEL", "PARTUUID", "PARTLABEL", "ID")  # fstab(5): TAG=value names a block device

NETWORK_FILESYSTEMS = _words(
    """
    9p afs ceph cifs curlftpfs davfs fuse.ceph fuse.cephfs fuse.glusterfs fuse.mfs fuse.rclone fuse.s3fs
    fuse.sshfs gfs gfs2 glusterfs gpfs lustre ncp ncpfs nfs nfs4 ocfs2 orangefs pvfs2 rclone s3fs shfs
    smb3 smbfs sshfs virtiofs
    """
)

PSEUDO_FILESYSTEMS = _words(
    """
    autofs bdev binfmt_misc bpf cgroup cgroup2 configfs cpuset debugfs devfs devpts devtmpfs efivarfs
    fusectl hugetlbfs mqueue none nsfs overlay overlayfs aufs unionfs mergerfs pipefs proc pstore ramfs
    resctrl rpc_pipefs securityfs selinuxfs shm sockfs sysfs tmpfs tracefs usbfs usbdevfs nfsd fuse bind
    rbind zfs ecryptfs encfs bindfs
    """
)

COMMON_FILESYSTEMS = ("ext2", "ext3", "ext4", "xfs", "btrfs", "vfat", "nfs", "nfs4", "tmpfs", "swap", "auto")

FILESYSTEMS = (
    NETWORK_FILESYSTEMS
    | PSEUDO_FILESYSTEMS
    | frozenset(COMMON_FILESYSTEMS)
    | _words(
        """
    adfs affs apfs bcachefs befs bfs cramfs efs erofs exfat ext ext4dev f2fs fat fuseblk hfs hfsplus hpfs
    iso9660 jffs2 jfs minix msdos nilfs2 ntfs ntfs3 ntfs-3g lowntfs-3g omfs qnx4 qnx6 reiser4 reiserfs
    romfs squashfs subfs supermount swapfs sysv ubifs udf ufs umsdos xenix xiafs zonefs crypto_LUKS ignore
    """
    )
)

# mount(8), FILESYSTEM-INDEPENDENT MOUNT OPTIONS; the last line is for fstab's other readers (systemd, udisks,
# mdadm, initscripts).
GENERIC = _words(
    """
    async atime auto context fscontext defcontext rootcontext defaults dev diratime dirsync exec group
    iversion mand _netdev noatime noauto nodev nodiratime noexec nofail noiversion nomand norelatime
    nostrictatime nosuid nosymfollow nouser owner relatime lazytime nolazytime remount ro rw silent loud
    strictatime suid sync user users bind rbind move shared slave private unbindable rshared rslave
    rprivate loop offset sizelimit encryption uhelper helper sw pri discard bootwait nobootwait optional
    showthrough timeout managed kudzu pamconsole hotplug umask
    """
)

_QUOTA = _words(
    """
    quota noquota usrquota grpquota prjquota usrjquota grpjquota jqfmt uquota gquota pquota uqnoenforce
    gqnoenforce pqnoenforce qnoenforce
    """
)

_EXT = _words(
    """
    abort acl noacl auto_da_alloc noauto_da_alloc barrier nobarrier bh nobh block_validity
    noblock_validity bsddf minixdf check nocheck commit data data_err dax debug debug_want_extra_isize
    delalloc nodelalloc dioread_lock dioread_nolock nodioread_nolock discard nodiscard errors
    fc_debug_max_replay fc_debug_force grpid nogrpid bsdgroups sysvgroups i_version init_itable
    noinit_itable inlinecrypt inode_readahead_blks journal_async_commit journal_checksum
    nojournal_checksum journal_dev journal_path journal_ioprio lazytime max_batch_time max_dir_size_kb
    mb_optimize_scan min_batch_time mblk_io_submit nomblk_io_submit nombcache no_mbcache norecovery noload
    noprefetch_block_bitmaps prefetch_block_bitmaps nouid32 oldalloc orlov resgid resuid reservation
    noreservation sb stripe test_dummy_encryption user_xattr nouser_xattr warn_on_error nowarn_on_error
    """
)

_XFS = _words(
    """
    allocsize attr2 noattr2 barrier nobarrier dax delaylog nodelaylog discard nodiscard filestreams grpid
    nogrpid bsdgroups sysvgroups ikeep noikeep inode32 inode64 largeio nolargeio lifetime logbsize logbufs
    logdev max_atomic_write max_open_zones noalign norecovery nouuid osyncisdsync osyncisosync rtdev sunit
    swalloc swidth wsync irixsgid ihashsize
    """
)

_BTRFS = _words(
    """
    acl noacl alloc_start autodefrag noautodefrag barrier nobarrier check_int check_int_data
    check_int_print_mask clear_cache commit compress compress-force datacow nodatacow datasum nodatasum
    degraded device discard nodiscard enospc_debug noenospc_debug fatal_errors flushoncommit
    noflushoncommit fragment ignorebadroots ignoredatacsums ignoremetacsums ignoresuperflags inode_cache
    noinode_cache max_inline metadata_ratio norecovery nologreplay notreelog treelog rescan_uuid_tree
    rescue recovery usebackuproot skip_balance space_cache nospace_cache ssd ssd_spread nossd nossd_spread
    subvol subvolid subvolrootid thread_pool user_subvol_rm_allowed no_holes
    """
)

# Filesystems that refuse to mount with an option they don't know, and what each knows.
OPTIONS: dict[str, frozenset[str]] = {
    "ext2": _EXT | _QUOTA,
    "ext3": _EXT | _QUOTA,
    "ext4": _EXT | _QUOTA,
    "xfs": _XFS | _QUOTA,
    "btrfs": _BTRFS,
}


def is_network(kind: str) -> bool:
    """A filesystem that comes over the network: mounted after it is up, and never part of local-fs.target."""
    return kind in NETWORK_FILESYSTEMS
