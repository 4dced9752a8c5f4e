#= write destructive
rm -rf /
#= write destructive
rm -fr --no-preserve-root /
#= write destructive
rm -r -f /*
#= write destructive
rm -rf ~
#= write destructive
rm -rf "$HOME"
#= write destructive
rm -rf $FOLDER/
#= write destructive
rm -rf "$STEAMROOT/"*
#= write destructive
rm -rf *
#= write destructive
\rm -rf /etc
#= write destructive
{rm,-rf,/}
#= write destructive
$'\x72m' -rf /
#= write destructive
sh -c 'rm -rf /'
#= admin destructive
sudo rm -rf /
#= write destructive
timeout 5 rm -rf /
#= write destructive
ls && rm -rf /
#= write destructive
find / -delete
#= write destructive
ssh web1 'rm -rf /var'
#= admin destructive
mkfs.ext4 /dev/sda1
#= write destructive
dd if=/dev/zero of=/dev/sda
#= write
dd if=/dev/zero of=image bs=1M count=1
#= admin destructive
cat x > /dev/sda
#= write destructive
shred -u file
#= admin destructive
wipefs -a /dev/sda
#= admin destructive
:(){ :|:& };:
#= write destructive
chmod -R 777 /
#= write destructive
git push --force
#= write destructive
git push -f origin main
#= write destructive
git push origin +main
#= write destructive
git reset --hard HEAD~3
#= write destructive
git clean -fdx
#= write destructive
kubectl delete ns prod
#= write destructive
kubectl -n prod delete pod x
#= write destructive
helm uninstall api
#= write destructive
terraform destroy -auto-approve
#= write destructive
docker system prune -af
#= write destructive
docker volume rm data
#= write destructive
aws s3 rm s3://bucket --recursive
#= write destructive
aws rds delete-db-instance --db-instance-identifier x
#= admin destructive
psql -c 'DROP TABLE orders'
#= admin destructive
psql shop <<< 'TRUNCATE orders'
#= write destructive
dropdb shop
#= write destructive
redis-cli FLUSHALL
#= admin destructive
crontab -r
#= write destructive
x=-delete; find / $x
#= write destructive
d=/; rm -rf $d
#= write destructive
for d in /tmp /; do rm -rf "$d"; done
#= write
d=/tmp/x; rm -rf $d/
