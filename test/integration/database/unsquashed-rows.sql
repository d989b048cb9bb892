-- Rows in every table of a database from before the migrations were squashed, for test/integration/database/takeover.test.ts. A gateway
-- of that version stored them: items were created, changed, released and deleted; events published, by an application and a
-- watched table too; jobs run, failed, leased, handed back and cancelled; keys made, used, rotated and revoked; a principal and
-- a token revoked; tickets issued and spent. Then pg_dump --data-only --rows-per-insert=100 wrote this. It has no row of
-- sluice.pending, which is empty between transactions.

set session_replication_role = replica;
create table public.parts (id int primary key, owner text, name text, price numeric);

INSERT INTO public.parts VALUES
	(1, 'acme', 'nut M8', 0.10);

INSERT INTO sluice.api_keys VALUES
	('tca7bjxo1dbg', 'acme', 'nightly import', 'editor', '\x0ab74409b19cd157a7463ce709b2d6f9f14374742ab4698ab8283b231e1ef720', '{127.0.0.0/8,2001:db8::/32}', '2026-11-26 01:42:01.047337+00', 'admin-of-acme', NULL, NULL, NULL, NULL, NULL),
	('ts5tbnfk8axv', 'acme', 'lost', 'viewer', '\xfe431bc559d9cd40daf13954c14d9193e86e2b71ffa6abc1edcbbe33e01c88c5', NULL, '2026-11-26 01:42:01.118401+00', 'admin-of-acme', NULL, NULL, NULL, '2026-11-26 01:42:01.188252+00', 'admin-of-acme'),
	('4fyg5rswz0gp', 'acme', 'nightly import', 'editor', '\x4b2c4ac09b9df6d8ab46b9bb8a8c2efeea6756a35df9251a241b2a0054d56ce9', '{127.0.0.0/8,2001:db8::/32}', '2026-11-26 01:42:00.957467+00', 'admin-of-acme', '2026-11-26 02:42:01.046+00', '2026-11-26 01:42:00.997+00', 'tca7bjxo1dbg', NULL, NULL);

INSERT INTO sluice.audit VALUES
	('63d0d928-8f8a-4893-82ce-e994b0fb3f04', '2026-11-26 01:42:00.198396+00', 'acme', 'command.started', 'editor-of-acme', '127.0.0.1', 'bbbb2a4e-84e1-4e48-99bf-4e79211fe38a', '{"job":"b390f274-a723-4377-8d03-b9a1bd870d2f","project":null,"command_sha256":"d68927f4ba1518901f2825ea884dcfaf0ae24ee45243bd03e125d4315d0e16f2"}'),
	('70abb01c-fe68-4c5d-bafe-f68c56af0a8d', '2026-11-26 01:42:00.49252+00', 'acme', 'command.started', 'editor-of-acme', '127.0.0.1', '41665a75-273c-47bc-a4c4-f97a8c46f59a', '{"job":"4734227d-7516-42a2-830d-b4c46a97614e","project":null,"command_sha256":"d68927f4ba1518901f2825ea884dcfaf0ae24ee45243bd03e125d4315d0e16f2"}'),
	('669d5cd2-a8a4-47d5-877d-f875387c6564', '2026-11-26 01:42:00.608839+00', 'acme', 'command.started', 'editor-of-acme', '127.0.0.1', '4e82b063-1c43-4b6f-bc87-5df6d6dc0a58', '{"job":"7f014fd0-c61f-498b-a2c9-b8a3466bb342","project":"bolts","command_sha256":"3a3a619751f8bab8738991ab62d6d6991318edff55308a029ef6325ab4958e89"}'),
	('bfa15067-14ab-4b0e-9b3b-25e96d744187', '2026-11-26 01:42:00.715952+00', 'acme', 'command.started', 'editor-of-acme', '127.0.0.1', 'ea5e4c93-5712-4ced-88f8-90c57fae9855', '{"job":"e2c4fb2e-f155-429b-80c7-1e4efe4637f1","project":null,"command_sha256":"d68927f4ba1518901f2825ea884dcfaf0ae24ee45243bd03e125d4315d0e16f2"}'),
	('9d465213-1477-4494-acfb-332dec5fc524', '2026-11-26 01:42:00.822195+00', 'acme', 'command.started', 'editor-of-acme', '127.0.0.1', '445ddbda-b9cb-4ad0-af30-1cd8f337fa13', '{"job":"6aafc918-8dc3-4983-ac81-2d3189404797","project":null,"command_sha256":"d68927f4ba1518901f2825ea884dcfaf0ae24ee45243bd03e125d4315d0e16f2"}'),
	('73e2b460-1359-4925-b3fe-cc6ea09031dc', '2026-11-26 01:42:00.958559+00', 'acme', 'key.created', 'admin-of-acme', '127.0.0.1', 'cbff6d77-3a9c-4e96-9bf9-de9e624bc5ef', '{"key":"4fyg5rswz0gp","name":"nightly import","role":"editor","expires_at":null,"allowed_ips":["127.0.0.0/8","2001:db8::/32"]}'),
	('f76c13e6-2bcb-4919-aea5-cbaff88f01c8', '2026-11-26 01:42:01.052243+00', 'acme', 'key.rotated', 'admin-of-acme', '127.0.0.1', '7430e91b-d276-4aae-8e16-e57ca7e9c84e', '{"key":"4fyg5rswz0gp","replaced_by":"tca7bjxo1dbg","overlap_seconds":3600}'),
	('d9419c56-34c4-45e8-8479-fc4b91052ed7', '2026-11-26 01:42:01.120642+00', 'acme', 'key.created', 'admin-of-acme', '127.0.0.1', 'df95e67a-6cad-4dde-ab40-e18e6ff49227', '{"key":"ts5tbnfk8axv","name":"lost","role":"viewer","expires_at":null,"allowed_ips":null}'),
	('ff4e1837-5f1e-4c2a-824b-d7d1580c3fca', '2026-11-26 01:42:01.19478+00', 'acme', 'key.revoked', 'admin-of-acme', '127.0.0.1', '5e1d50f3-d6fe-41b8-9e79-b9f3ba33a8a5', '{"key":"ts5tbnfk8axv","name":"lost"}'),
	('ebb52308-9749-485b-a423-3cb0cf2ff57b', '2026-11-26 01:42:01.238373+00', 'acme', 'revocation.created', 'admin-of-acme', '127.0.0.1', '537535b6-68b3-4bbf-881d-63eee559690b', '{"revocation":"e05ac2d4-a1d1-439d-8486-cce674f6fbab","subject":"mallory","token_id":null,"reason":"left","expires_at":null}'),
	('d6c74f66-a19f-4a5d-9077-7f54020be34f', '2026-11-26 01:42:01.279222+00', 'acme', 'revocation.created', 'admin-of-acme', '127.0.0.1', '18f529b7-e14d-45b0-a28d-4fa6ac4b0431', '{"revocation":"c050be72-3fae-42fb-b99d-be7c4775b353","subject":null,"token_id":"jti-1","reason":null,"expires_at":"2099-01-01T00:00:00.000Z"}'),
	('d841fbbc-16f5-40cb-9d99-14d4763e4a1c', '2026-11-26 01:42:01.392+00', '$system', 'authentication.failed', NULL, '127.0.0.1', 'df2e4ea4-2d12-4dfb-bb6c-454f0c705b80', '{"code":"token-invalid","credential":"token","route":"GET /api/items"}');

INSERT INTO sluice.events VALUES
	(3, 1, '2026-11-26 01:41:59.658988+00', 'e3318382-149f-40fb-8eae-d00c4e88c0c2', 'item.created', '{"part_number":"A01-0001","description":"Bolt „A01-0001“","item_type":"part"}', 'editor-of-acme'),
	(3, 2, '2026-11-26 01:41:59.724022+00', 'd56d2dff-bfed-4e4e-ad44-b7cba2997bdc', 'item.created', '{"part_number":"A01-0002","description":"Bolt „A01-0002“","item_type":"part"}', 'editor-of-acme'),
	(3, 3, '2026-11-26 01:41:59.761682+00', '4f37d6ff-16c3-43cd-b89f-0f3cd46ecd40', 'item.created', '{"part_number":"B-7","description":"Bolt „B-7“","item_type":"tool"}', 'editor-of-acme'),
	(3, 4, '2026-11-26 01:41:59.825814+00', 'd855cf23-3f15-4e3c-b91d-21657ac2d295', 'item.updated', '{"part_number":"A01-0001","revision":1}', 'editor-of-acme'),
	(3, 5, '2026-11-26 01:42:00.032546+00', '00c7c30d-e56a-4e6e-bdb7-2e6cf7fbdc3a', 'revision.created', '{"part_number":"A01-0001","revision_number":2,"comment":"first release"}', 'editor-of-acme'),
	(3, 6, '2026-11-26 01:42:00.036812+00', 'c40a76a9-508b-4f79-9bbc-0ffa447dcb57', 'item.updated', '{"part_number":"A01-0001","revision":2}', 'editor-of-acme'),
	(3, 7, '2026-11-26 01:42:00.067956+00', 'c3d06ebd-9d33-4f0e-aaec-6b55c8cc7088', 'item.deleted', '{"part_number":"B-7"}', 'editor-of-acme'),
	(3, 8, '2026-11-26 01:42:00.078914+00', '556b6f77-74ff-4b7c-af34-50aadb75ca7f', 'order.placed', '{"id":1}', 'editor-of-acme'),
	(3, 9, '2026-11-26 01:42:00.078914+00', '22e64438-ff0a-40f9-a72f-0962fc87f54d', 'order.paid', '{"id":1,"text":"a''b\\c"}', 'editor-of-acme'),
	(4, 1, '2026-11-26 01:42:00.095612+00', '18ac8a00-a030-455d-acb9-376f0053a3f2', 'order.shipped', '{"id":1}', 'editor-of-acme'),
	(5, 1, '2026-11-26 01:42:00.139685+00', '56bcaf66-0a5a-4f68-b61c-d6061bf4e530', 'plan.changed', '{"n":1}', 'app'),
	(6, 1, '2026-11-26 01:42:00.143776+00', '1ba352ea-a834-4542-8939-686d16c3f78e', 'plan.changed', '{"n":2}', 'app'),
	(7, 2, '2026-11-26 01:42:00.152531+00', 'c9e1ba57-ebd4-42f5-859d-11b17d5d4fa6', 'plan.b', '{}', NULL),
	(3, 10, '2026-11-26 01:42:00.169856+00', '614298ba-ddb0-4d56-b212-8e738ae93db5', 'parts.created', '{"id":1,"name":"nut"}', NULL),
	(3, 11, '2026-11-26 01:42:00.169856+00', '271e7de4-d011-499e-8776-0f8f0fb16d93', 'parts.updated', '{"id":1,"name":"nut M8"}', NULL),
	(5, 2, '2026-11-26 01:42:00.169859+00', '33b4eb24-f277-4d95-bbd1-188ecaa6e735', 'parts.created', '{"id":2,"name":"bolt"}', NULL),
	(5, 3, '2026-11-26 01:42:00.169859+00', '3365ee96-5297-4760-a94e-6346d358386c', 'parts.deleted', '{"id":2,"name":"bolt"}', NULL),
	(8, 1, '2026-11-26 01:42:00.196599+00', '174aaf79-32fb-4f5f-80ce-2ad71ae5522a', 'job.created', '{"job_id":"b390f274-a723-4377-8d03-b9a1bd870d2f","kind":"command","project":null,"title":"done","priority":9}', 'editor-of-acme'),
	(3, 12, '2026-11-26 01:42:00.196594+00', '7f605c1a-92eb-4e20-9c44-33f123ab0641', 'job.created', '{"job_id":"b390f274-a723-4377-8d03-b9a1bd870d2f","kind":"command","project":null,"title":"done","priority":9}', 'editor-of-acme'),
	(8, 2, '2026-11-26 01:42:00.277639+00', 'aab82a8e-65d8-4512-b76e-9b520110f6ba', 'job.started', '{"job_id":"b390f274-a723-4377-8d03-b9a1bd870d2f","attempt":1,"runner":"runner-1"}', 'runner-of-acme'),
	(3, 13, '2026-11-26 01:42:00.277637+00', '423de0fc-63e7-4531-ab51-31a757d2fcfb', 'job.started', '{"job_id":"b390f274-a723-4377-8d03-b9a1bd870d2f","attempt":1,"runner":"runner-1"}', 'runner-of-acme'),
	(8, 3, '2026-11-26 01:42:00.358986+00', '737d9d3c-26d5-4f3f-a63e-ad04d8bce493', 'stdout', '{"text":"hello"}', 'runner-of-acme'),
	(8, 4, '2026-11-26 01:42:00.375667+00', 'a7da0ab6-9dcb-4aae-a5f4-a29dcb6eaa1c', 'job.completed', '{"job_id":"b390f274-a723-4377-8d03-b9a1bd870d2f","status":"completed","result":{"exit":0},"attempt":1}', 'runner-of-acme'),
	(3, 14, '2026-11-26 01:42:00.375665+00', '0c07bad1-f3f0-4e5f-96d9-fb97f5c6873c', 'job.completed', '{"job_id":"b390f274-a723-4377-8d03-b9a1bd870d2f","status":"completed","result":{"exit":0},"attempt":1}', 'runner-of-acme'),
	(9, 1, '2026-11-26 01:42:00.485357+00', '912f1460-4956-4b6a-9d80-49837ab49a34', 'job.created', '{"job_id":"4734227d-7516-42a2-830d-b4c46a97614e","kind":"command","project":null,"title":"failed","priority":0}', 'editor-of-acme'),
	(3, 15, '2026-11-26 01:42:00.485354+00', '47c48a89-e1a4-4cea-a610-b5a394e9cc3c', 'job.created', '{"job_id":"4734227d-7516-42a2-830d-b4c46a97614e","kind":"command","project":null,"title":"failed","priority":0}', 'editor-of-acme'),
	(9, 2, '2026-11-26 01:42:00.514112+00', 'd02aee61-bda6-42a5-a188-9865940e6f51', 'job.started', '{"job_id":"4734227d-7516-42a2-830d-b4c46a97614e","attempt":1,"runner":"runner-1"}', 'runner-of-acme'),
	(3, 16, '2026-11-26 01:42:00.51411+00', '8bf832b4-5d9e-4180-9b4e-008f9ba7d880', 'job.started', '{"job_id":"4734227d-7516-42a2-830d-b4c46a97614e","attempt":1,"runner":"runner-1"}', 'runner-of-acme'),
	(9, 3, '2026-11-26 01:42:00.523366+00', '705db843-ac86-47d1-976e-17d06f15c7c2', 'job.failed', '{"job_id":"4734227d-7516-42a2-830d-b4c46a97614e","status":"failed","result":{"exit":1},"attempt":1}', 'runner-of-acme'),
	(3, 17, '2026-11-26 01:42:00.523364+00', '1016d1fc-3f9e-47d2-ba72-4f8e34def115', 'job.failed', '{"job_id":"4734227d-7516-42a2-830d-b4c46a97614e","status":"failed","result":{"exit":1},"attempt":1}', 'runner-of-acme'),
	(10, 1, '2026-11-26 01:42:00.599899+00', '80934b2e-9485-4318-a8f9-29927a5fc076', 'job.created', '{"job_id":"7f014fd0-c61f-498b-a2c9-b8a3466bb342","kind":"command","project":"bolts","title":"leased","priority":0}', 'editor-of-acme'),
	(3, 18, '2026-11-26 01:42:00.599896+00', 'ad2ed0a7-5ced-4217-959b-5b271ab79bfd', 'job.created', '{"job_id":"7f014fd0-c61f-498b-a2c9-b8a3466bb342","kind":"command","project":"bolts","title":"leased","priority":0}', 'editor-of-acme'),
	(10, 2, '2026-11-26 01:42:00.635352+00', 'f8fa55cc-48de-4c36-9136-68588aec555f', 'job.started', '{"job_id":"7f014fd0-c61f-498b-a2c9-b8a3466bb342","attempt":1,"runner":"runner-1"}', 'runner-of-acme'),
	(3, 19, '2026-11-26 01:42:00.63535+00', '14a11200-fb6d-4ae7-bda3-73ce8d838953', 'job.started', '{"job_id":"7f014fd0-c61f-498b-a2c9-b8a3466bb342","attempt":1,"runner":"runner-1"}', 'runner-of-acme'),
	(10, 3, '2026-11-26 01:42:00.653865+00', '288ca64b-1e69-44aa-bea8-086dce298a90', 'stdout', '{"text":"at work"}', 'runner-of-acme'),
	(11, 1, '2026-11-26 01:42:00.693031+00', '1212afb7-baaf-4598-9928-bc37deef1d01', 'job.created', '{"job_id":"e2c4fb2e-f155-429b-80c7-1e4efe4637f1","kind":"command","project":null,"title":"handed back","priority":0}', 'editor-of-acme'),
	(3, 20, '2026-11-26 01:42:00.693029+00', '08771f7d-cba3-4acb-91e0-60f5f81f8d7f', 'job.created', '{"job_id":"e2c4fb2e-f155-429b-80c7-1e4efe4637f1","kind":"command","project":null,"title":"handed back","priority":0}', 'editor-of-acme'),
	(11, 2, '2026-11-26 01:42:00.759537+00', 'b4a2d778-6e83-4199-a88c-d6cfbb305005', 'job.started', '{"job_id":"e2c4fb2e-f155-429b-80c7-1e4efe4637f1","attempt":1,"runner":"runner-1"}', 'runner-of-acme'),
	(3, 21, '2026-11-26 01:42:00.759535+00', '83214d2f-733f-47ab-b29f-75ffdf91497a', 'job.started', '{"job_id":"e2c4fb2e-f155-429b-80c7-1e4efe4637f1","attempt":1,"runner":"runner-1"}', 'runner-of-acme'),
	(11, 3, '2026-11-26 01:42:00.780049+00', '054d7e78-faf5-4fc4-b31e-c06b4ac85ab4', 'job.requeued', '{"job_id":"e2c4fb2e-f155-429b-80c7-1e4efe4637f1","attempt":1,"reason":"handed-back"}', 'runner-of-acme'),
	(12, 1, '2026-11-26 01:42:00.813672+00', '51e579cc-3935-46ca-b3e9-ffb64e616f00', 'job.created', '{"job_id":"6aafc918-8dc3-4983-ac81-2d3189404797","kind":"command","project":null,"title":"cancelled","priority":0}', 'editor-of-acme'),
	(3, 22, '2026-11-26 01:42:00.81367+00', '37295834-b850-4696-801d-ea19310b11b9', 'job.created', '{"job_id":"6aafc918-8dc3-4983-ac81-2d3189404797","kind":"command","project":null,"title":"cancelled","priority":0}', 'editor-of-acme'),
	(12, 2, '2026-11-26 01:42:00.837892+00', '3853d3d8-b125-4765-9b77-d8078f8aa286', 'job.cancelled', '{"job_id":"6aafc918-8dc3-4983-ac81-2d3189404797","status":"cancelled","result":null,"attempt":0}', 'editor-of-acme'),
	(3, 23, '2026-11-26 01:42:00.83789+00', '67b9bc13-faf1-4bd4-aaa3-f5f5e74b10de', 'job.cancelled', '{"job_id":"6aafc918-8dc3-4983-ac81-2d3189404797","status":"cancelled","result":null,"attempt":0}', 'editor-of-acme'),
	(13, 1, '2026-11-26 01:42:00.891232+00', '90a6b61e-46c4-409c-b86c-24948da0f4b3', 'job.created', '{"job_id":"f729b958-b2f4-4f4c-98dd-b6a8efd96e1e","kind":"execution","project":null,"title":null,"priority":0}', 'editor-of-acme'),
	(3, 24, '2026-11-26 01:42:00.89123+00', '3ae1f88e-fe9b-4f80-ad5e-2321ea8a575f', 'job.created', '{"job_id":"f729b958-b2f4-4f4c-98dd-b6a8efd96e1e","kind":"execution","project":null,"title":null,"priority":0}', 'editor-of-acme'),
	(13, 2, '2026-11-26 01:42:00.894227+00', '902c0c00-d413-4f1d-b1b2-d66cd6d76c88', 'job.started', '{"job_id":"f729b958-b2f4-4f4c-98dd-b6a8efd96e1e","attempt":1,"runner":null}', 'editor-of-acme'),
	(3, 25, '2026-11-26 01:42:00.894225+00', '78ed1f6c-cfac-4011-8cf1-33cf4b86a9a1', 'job.started', '{"job_id":"f729b958-b2f4-4f4c-98dd-b6a8efd96e1e","attempt":1,"runner":null}', 'editor-of-acme'),
	(2, 1, '2026-11-26 01:42:00.963941+00', '603506de-851d-4ca9-a5f1-733eb34c6975', 'access.changed', '{"change":"key","key":"4fyg5rswz0gp"}', NULL),
	(2, 2, '2026-11-26 01:42:01.059927+00', 'f3bfe34b-e458-4f96-9f15-6808dfe46892', 'access.changed', '{"change":"key","key":"4fyg5rswz0gp"}', NULL),
	(2, 3, '2026-11-26 01:42:01.059927+00', '979b75e3-cce1-4c8a-95cf-bc4e81a00345', 'access.changed', '{"change":"key","key":"tca7bjxo1dbg"}', NULL),
	(2, 4, '2026-11-26 01:42:01.131372+00', '4c5777f8-1f2e-4279-af2c-401dcbbcb214', 'access.changed', '{"change":"key","key":"ts5tbnfk8axv"}', NULL),
	(2, 6, '2026-11-26 01:42:01.239513+00', 'd877ad1f-e94a-4a65-97c0-d74548c77afa', 'access.changed', '{"change":"revocations","made":{"id":"e05ac2d4-a1d1-439d-8486-cce674f6fbab","workspace":"acme","subject":"mallory","token_id":null,"at":1795657321237,"expiresAt":null}}', NULL),
	(2, 7, '2026-11-26 01:42:01.28061+00', '6d260d26-b8cc-48be-aaab-b2621a13b922', 'access.changed', '{"change":"revocations","made":{"id":"c050be72-3fae-42fb-b99d-be7c4775b353","workspace":"acme","subject":null,"token_id":"jti-1","at":1795657321278,"expiresAt":4070908800000}}', NULL),
	(2, 5, '2026-11-26 01:42:01.207382+00', 'b8703f7a-92e3-4859-a76c-87630cb5c03f', 'access.changed', '{"change":"key","key":"ts5tbnfk8axv"}', NULL);

INSERT INTO sluice.idempotency_keys VALUES
	('acme', 'editor-of-acme', 'order-1', 'AHoF-mwEQ1SUHhGbNJmhjnv8LTL0CbiVs4Ac-6dGS1A', '2026-11-26 01:42:00.074364+00', 3, 8, '{556b6f77-74ff-4b7c-af34-50aadb75ca7f,22e64438-ff0a-40f9-a72f-0962fc87f54d}', '2026-11-26 01:42:00.078914+00'),
	('acme', 'editor-of-acme', 'order-2', 'WnmiUxYYH5a7cvymU0cz7nGe-wKSOdXHjSgyLRg_roM', '2026-11-26 01:42:00.094467+00', 4, 1, '{18ac8a00-a030-455d-acb9-376f0053a3f2}', '2026-11-26 01:42:00.095612+00'),
	('acme', 'runner-of-acme', 'lines-1', 'TLVkh-S17BPPXCtGxbaOzFgNU0P-hrxqcaP-WvSmRtY', '2026-11-26 01:42:00.357188+00', 8, 3, '{737d9d3c-26d5-4f3f-a63e-ad04d8bce493}', '2026-11-26 01:42:00.358986+00');

INSERT INTO sluice.items VALUES
	('acme', 'A01-0002', 'Bolt „A01-0002“', 'part', '{"weight":12.5,"b":[1,null],"a":"ü\n\"quoted\""}', 1, '54824e17-fc77-4efe-b105-412bd7cfc82f', 'a01-0002
bolt „a01-0002“', '2026-11-26 01:41:59.707527+00', '2026-11-26 01:41:59.707527+00'),
	('acme', 'A01-0001', 'Bolt, M8', 'part', '{"weight":12.5,"b":[1,null],"a":"ü\n\"quoted\""}', 2, '252268a0-c808-4a64-a715-10b05adaf235', 'a01-0001
bolt, m8', '2026-11-26 01:41:59.619443+00', '2026-11-26 01:42:00.000412+00');

INSERT INTO sluice.item_revisions VALUES
	('acme', 'A01-0001', 1, 'Created', '{"weight":12.5,"b":[1,null],"a":"ü\n\"quoted\""}', 'editor-of-acme', '2026-11-26 01:41:59.633963+00'),
	('acme', 'A01-0002', 1, 'Created', '{"weight":12.5,"b":[1,null],"a":"ü\n\"quoted\""}', 'editor-of-acme', '2026-11-26 01:41:59.711517+00'),
	('acme', 'A01-0001', 2, 'first release', '{"weight":12.5,"b":[1,null],"a":"ü\n\"quoted\""}', 'editor-of-acme', '2026-11-26 01:42:00.004035+00');

INSERT INTO sluice.jobs VALUES
	('b390f274-a723-4377-8d03-b9a1bd870d2f', 'acme', 8, 'command', NULL, 'done', '{"argv":["true"]}', 9, 'completed', '{"exit":0}', 1, 3, NULL, 'runner-1', NULL, 'editor-of-acme', '2026-11-26 01:42:00.186487+00', '2026-11-26 01:42:00.276951+00', '2026-11-26 01:42:00.375058+00', 'runner-of-acme'),
	('4734227d-7516-42a2-830d-b4c46a97614e', 'acme', 9, 'command', NULL, 'failed', '{"argv":["true"]}', 0, 'failed', '{"exit":1}', 1, 1, NULL, 'runner-1', NULL, 'editor-of-acme', '2026-11-26 01:42:00.484902+00', '2026-11-26 01:42:00.513605+00', '2026-11-26 01:42:00.522916+00', 'runner-of-acme'),
	('7f014fd0-c61f-498b-a2c9-b8a3466bb342', 'acme', 10, 'command', 'bolts', 'leased', '{"argv":["true"]}', 0, 'running', NULL, 1, 3, 86400000, 'runner-1', '2026-11-26 01:47:00.632656+00', 'editor-of-acme', '2026-11-26 01:42:00.595194+00', '2026-11-26 01:42:00.632658+00', NULL, 'runner-of-acme'),
	('e2c4fb2e-f155-429b-80c7-1e4efe4637f1', 'acme', 11, 'command', NULL, 'handed back', '{"argv":["true"]}', 0, 'queued', NULL, 1, 3, NULL, NULL, NULL, 'editor-of-acme', '2026-11-26 01:42:00.692564+00', NULL, NULL, NULL),
	('6aafc918-8dc3-4983-ac81-2d3189404797', 'acme', 12, 'command', NULL, 'cancelled', '{"argv":["true"]}', 0, 'cancelled', NULL, 0, 3, NULL, NULL, NULL, 'editor-of-acme', '2026-11-26 01:42:00.81325+00', NULL, '2026-11-26 01:42:00.837354+00', NULL),
	('f729b958-b2f4-4f4c-98dd-b6a8efd96e1e', 'acme', 13, 'execution', NULL, NULL, '{}', 0, 'running', NULL, 1, 3, NULL, NULL, NULL, 'editor-of-acme', '2026-11-26 01:42:00.890798+00', '2026-11-26 01:42:00.891559+00', NULL, NULL);

INSERT INTO sluice.rate_windows VALUES
	(29927622, '203.0.113.7', 1),
	(29927622, 'acme:ada', 3),
	(29927621, 'acme:ada', 1);

INSERT INTO sluice.revocations VALUES
	('e05ac2d4-a1d1-439d-8486-cce674f6fbab', 'acme', 'mallory', NULL, '2026-11-26 01:42:01.237595+00', 'admin-of-acme', 'left', NULL),
	('c050be72-3fae-42fb-b99d-be7c4775b353', 'acme', NULL, 'jti-1', '2026-11-26 01:42:01.278008+00', 'admin-of-acme', NULL, '2099-01-01 00:00:00+00');

INSERT INTO sluice.stream_counts OVERRIDING SYSTEM VALUE VALUES
	(1, 'acme', 2),
	(2, 'globex', 3);

INSERT INTO sluice.stream_tickets VALUES
	('\x9cb77a4651f7fcdb418c193865f65d68b3da67defcab6d50d1dfc3d6e09e3030', 'acme', 'viewer-of-acme', 'viewer', 'token', NULL, 0, 1795660921000, '/api/events', '2026-11-26 01:42:31.288465+00', NULL),
	('\x220e8445be4f41d0333d5eea82f606a66c5fd9833300614491b5cb020e464d2d', 'acme', 'viewer-of-acme', 'viewer', 'token', NULL, 0, 1795660921000, '/api/events', '2026-11-26 02:42:01+00', '\xe911e85296c23c5f5ddc6853629e436002e895c6d3be12f2ce2cadddead9c7c1');

INSERT INTO sluice.streams OVERRIDING SYSTEM VALUE VALUES
	(1, '$system', 'server', 'system', 0, 'c1c083c7-a7b2-424a-bcbf-af499c086f3c', NULL, NULL, '2026-11-26 01:41:59.49224+00', '2026-11-26 01:41:59.49224+00'),
	(2, '$system', 'access', 'access', 0, '103550ea-fb48-4c88-9782-bf02f5991b2b', NULL, NULL, '2026-11-26 01:41:59.521228+00', '2026-11-26 01:41:59.521228+00'),
	(3, 'acme', 'feed', 'feed', 0, '18684858-b45c-4ba8-8048-05f1d9015628', NULL, NULL, '2026-11-26 01:41:59.649643+00', '2026-11-26 01:41:59.649644+00'),
	(4, 'acme', 'orders', 'feed', 0, 'fc6e7867-e23c-4814-bb5b-f101637b79ea', NULL, NULL, '2026-11-26 01:42:00.095069+00', '2026-11-26 01:42:00.095069+00'),
	(5, 'globex', 'feed', 'feed', 0, '79114b75-9e85-40e8-aef9-e695f8cbc714', NULL, NULL, '2026-11-26 01:42:00.137607+00', '2026-11-26 01:42:00.137607+00'),
	(6, 'globex', 'plans', 'feed', 0, '7ae6860a-f577-4761-a759-c999e4292a2b', NULL, '2026-11-26 01:42:00.150958+00', '2026-11-26 01:42:00.14332+00', '2026-11-26 01:42:00.143321+00'),
	(7, 'globex', 'short', 'feed', 1, '2f56004f-eca4-4be8-a8f3-29ea551e870d', '2026-11-26 01:42:00.152531+00', NULL, '2026-11-26 01:42:00.154607+00', '2026-11-26 01:42:00.152531+00'),
	(8, 'acme', 'job:b390f274-a723-4377-8d03-b9a1bd870d2f', 'job', 0, '6cff6d56-a6c2-4f7b-8df4-2b99575a1325', NULL, '2026-11-26 01:42:00.375956+00', '2026-11-26 01:42:00.186236+00', '2026-11-26 01:42:00.186236+00'),
	(9, 'acme', 'job:4734227d-7516-42a2-830d-b4c46a97614e', 'job', 0, '8d60e54e-05e2-4809-8310-d2e2c4f02b84', NULL, '2026-11-26 01:42:00.523486+00', '2026-11-26 01:42:00.48472+00', '2026-11-26 01:42:00.48472+00'),
	(10, 'acme', 'job:7f014fd0-c61f-498b-a2c9-b8a3466bb342', 'job', 0, '6e9fa62a-a659-4099-8cb9-27e355fd0ce2', NULL, NULL, '2026-11-26 01:42:00.594961+00', '2026-11-26 01:42:00.594961+00'),
	(11, 'acme', 'job:e2c4fb2e-f155-429b-80c7-1e4efe4637f1', 'job', 0, '7e73f63c-ebf0-4b1b-8561-d80128ca3870', NULL, NULL, '2026-11-26 01:42:00.692282+00', '2026-11-26 01:42:00.692282+00'),
	(12, 'acme', 'job:6aafc918-8dc3-4983-ac81-2d3189404797', 'job', 0, 'd3e1d57f-b9f9-4d43-928e-0e66baef183c', NULL, '2026-11-26 01:42:00.838195+00', '2026-11-26 01:42:00.812998+00', '2026-11-26 01:42:00.812998+00'),
	(13, 'acme', 'job:f729b958-b2f4-4f4c-98dd-b6a8efd96e1e', 'job', 0, 'b27a285d-6375-45fd-ac6a-603298e1aaf3', NULL, NULL, '2026-11-26 01:42:00.890615+00', '2026-11-26 01:42:00.890615+00');

SELECT pg_catalog.setval('sluice.pending_ordinal_seq', 15, true);

SELECT pg_catalog.setval('sluice.stream_counts_id_seq', 2, true);

SELECT pg_catalog.setval('sluice.streams_id_seq', 13, true);

set session_replication_role = origin;
select sluice.watch('public.parts', workspace_column => 'owner', columns => '{id,name}');
